import { toJsonText } from './json-text.ts';
import { type Placed, placeValue } from './run-blobs.ts';
import type { RunRecord, StepRecord } from './run-ownership.ts';

/**
 * The JSON text of a record as `app.record_runs` reads it, with large values set apart. Each value is written as text once:
 * it is most of what a record costs. Throws UnstorableJsonError.
 */
export async function toRecordText(record: RunRecord): Promise<string> {
  const { entries = [], signals = [], steps: noted, output, error, nextAttemptAt, ...rest } = record;
  const steps = [...new Map(noted.map((step) => [step.stepKey, step])).values()];
  const blobs: string[] = [];
  const stepTexts: string[] = [];
  for (const step of steps) stepTexts.push(await toStepText(step, blobs));
  const head = {
    ...rest,
    signals,
    ...(error == null ? {} : { error }),
    ...(nextAttemptAt === null ? {} : { nextAttemptAt }),
    entries: entries.length > 0 ? entries : undefined,
    hasProgress: steps.some(({ status }) => status !== 'running'),
  };
  return join(toJsonText(head), [
    ...put('output', '', await placeValue(output), blobs),
    ...(steps.length > 0 ? [`"steps":[${stepTexts.join(',')}]`] : []),
    ...(blobs.length > 0 ? [`"blobs":[${blobs.join(',')}]`] : []),
  ]);
}

async function toStepText({ input, output, ...rest }: StepRecord, blobs: string[]): Promise<string> {
  return join(toJsonText(rest), [
    ...put('input', rest.stepKey, await placeValue(input), blobs),
    ...put('output', rest.stepKey, await placeValue(output), blobs),
  ]);
}

/** The member that stands in the row for the value: the value or its size. */
function put(field: 'input' | 'output', stepKey: string, placed: Placed, blobs: string[]): string[] {
  if (placed === undefined) return [];
  if ('text' in placed) return [`"${field}":${placed.text}`];
  const { sizeBytes, data } = placed.blob;
  blobs.push(JSON.stringify({ stepKey, field, sizeBytes, data: data.toString('base64') }));
  return [`"${field}Bytes":${sizeBytes}`];
}

/** Adds members to the text of an object that has some. */
function join(object: string | null, members: readonly string[]): string {
  return `${[(object ?? '{}').slice(0, -1), ...members].join(',')}}`;
}
