import { streamRunEvents } from '@millrace/shared/contracts/runs';
import { ApiError } from '../../lib/api-error.ts';
import { openApi } from '../../lib/call-api.ts';
import { readEvents } from '../../lib/read-events.ts';

export interface TimelineEntry {
  id: string;
  type: string;
  at: string;
  stepId?: string;
  [field: string]: unknown;
}

export interface RunRef {
  orgId: string;
  workflowId: string;
  runId: string;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Everything that happened to a run, then what happens until it ends. A broken stream is opened again where it stopped,
 * with a token that counts: nothing is missed or told twice. Throws what the API refuses for good.
 */
export async function* followRun(run: RunRef, signal: AbortSignal): AsyncGenerator<TimelineEntry> {
  let lastId: string | undefined;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const headers = lastId === undefined ? undefined : { 'last-event-id': lastId };
      const { body } = await openApi(streamRunEvents, { params: { ...run }, signal }, headers);
      for await (const { id, name, data } of readEvents(body as ReadableStream<Uint8Array>)) {
        if (name === 'end') return;
        failures = 0;
        lastId = id ?? lastId;
        yield { ...JSON.parse(data), id: lastId ?? '' };
      }
    } catch (error) {
      if (signal.aborted) return;
      const isFinal = error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429;
      if (isFinal) throw error;
    }
    failures += 1;
    await pause(Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS), signal);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const leave = () => resolve();
  signal.addEventListener('abort', leave, { once: true });
  await promise;
  clearTimeout(timer);
  signal.removeEventListener('abort', leave);
}
