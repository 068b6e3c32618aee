import { type Document, graphOf } from '@millrace/workflow/edit';
import { type ExpressionBindings, evaluateTemplate, isPlain } from '@millrace/workflow/expression';
import { isRecord, type Json } from '@millrace/workflow/json';
import { effectiveEdges, type Outline, readOutline } from '@millrace/workflow/outline';
import { ancestorsIn } from '@millrace/workflow/reachability';
import { DEFAULT_ITEM_NAME } from '@millrace/workflow/steps/loop-config';
import { placeOf } from './places.ts';

/** Real values to try expressions with: of the last run, of tests, and what is pinned. */
export interface Samples {
  readonly input: Json | undefined;
  readonly outputs: Readonly<Record<string, Json>>;
  readonly vars: Readonly<Record<string, Json>>;
  /** Items that somebody gave for loops, by the loops' ids. */
  readonly items?: Readonly<Record<string, Json>>;
}

/** The steps that come before one, those around the loops that it is in included, nearest graph first. */
export function stepsBefore(document: Document, id: string): string[] {
  const graph = graphOf(document, id);
  if (!graph) return [];
  const own = [...ancestorsIn(effectiveEdges(graph))(id)].filter((before) => before !== id);
  const place = placeOf(document, id);
  if (place?.in === 'loop') return [...own, ...stepsBefore(document, place.loopId)];
  return place?.in === 'onFailure' ? [...own, ...idsOf(readOutline(document).main)] : own;
}

/** The names that the expressions of a step can read, with their samples. `until` also sees the steps of its own body. */
export function bindingsFor(document: Document, id: string, samples: Samples, now: Date): ExpressionBindings {
  const readable = stepsBefore(document, id);
  const inner = graphOf(document, id)?.nodes.find((node) => node.id === id)?.body;
  const steps = [...readable, ...(inner ? idsOf(inner) : [])];
  const bindings: ExpressionBindings = {
    trigger: { type: triggerType(document), input: samples.input ?? null, at: now.toISOString() },
    run: { id: NO_ID, workflowId: NO_ID, version: 1, startedAt: now.toISOString() },
    constants: (isRecord(document.constants) ? document.constants : {}) as Record<string, Json>,
    vars: samples.vars,
    steps: Object.fromEntries(steps.map((step) => [step, bindingOf(samples.outputs, step)])),
  };
  return { ...bindings, locals: localsFor(document, id, bindings, samples.items ?? {}) };
}

/** A bindings tree as completion sees it. */
export function sampleOf({ locals, ...names }: ExpressionBindings): Readonly<Record<string, unknown>> {
  return { ...names, ...locals };
}

const NO_ID = '00000000-0000-0000-0000-000000000000';

function bindingOf(outputs: Samples['outputs'], id: string) {
  return Object.hasOwn(outputs, id) ? { status: 'succeeded', output: outputs[id] as Json } : { status: 'succeeded' };
}

/** The items of the loops around a step, wherever a plain expression tells them; and what failed, after a failure. */
function localsFor(
  document: Document,
  id: string,
  bindings: ExpressionBindings,
  given: Readonly<Record<string, Json>>,
): Record<string, Json> {
  const place = placeOf(document, id);
  if (place?.in === 'onFailure') return { error: { code: 'FAILED', message: 'A step failed.', stepId: 'step' } };
  if (place?.in !== 'loop') return {};
  const outer = localsFor(document, place.loopId, bindings, given);
  const loop = graphOf(document, place.loopId)?.nodes.find((node) => node.id === place.loopId);
  const config = isRecord(loop?.config) ? loop.config : {};
  const name = itemName(config);
  const items = plainValue(config.items, { ...bindings, locals: outer });
  const known = Array.isArray(items) ? items[0] : undefined;
  const first = Object.hasOwn(given, place.loopId) ? given[place.loopId] : known;
  return { ...outer, ...(first === undefined ? {} : { [name]: first }), [`${name}Index`]: 0 };
}

function itemName(config: Readonly<Record<string, unknown>>): string {
  return typeof config.as === 'string' ? config.as : DEFAULT_ITEM_NAME;
}

/** A loop around a step, and what expressions call its item. */
export interface LoopAround {
  readonly id: string;
  readonly as: string;
}

/** The loops that a step is in, from the outside in; null for a step that runs after a failure, which no test reaches. */
export function loopsAround(document: Document, id: string): LoopAround[] | null {
  const place = placeOf(document, id);
  if (place?.in !== 'loop') return place?.in === 'run' ? [] : null;
  const outer = loopsAround(document, place.loopId);
  const loop = graphOf(document, place.loopId)?.nodes.find((node) => node.id === place.loopId);
  return outer && [...outer, { id: place.loopId, as: itemName(isRecord(loop?.config) ? loop.config : {}) }];
}

function plainValue(template: unknown, bindings: ExpressionBindings): Json | undefined {
  if (template === undefined || !isPlain(template)) return undefined;
  const result = evaluateTemplate({ templates: template, path: 'items', bindings });
  return result.ok ? result.value : undefined;
}

function triggerType({ trigger }: Document): string {
  return isRecord(trigger) && typeof trigger.type === 'string' ? trigger.type : 'trigger.manual';
}

function idsOf(graph: Outline): string[] {
  return graph.nodes.flatMap(({ id }) => id ?? []);
}

/** What the steps of a run gave. Of steps in a loop, whose keys are `<loop>.<index>.<id>`, the first that gave something. */
export function outputsOfRun(
  steps: readonly { stepId: string; status: string; output: unknown }[],
): Record<string, Json> {
  const outputs: Record<string, Json> = {};
  for (const { stepId, status, output } of steps) {
    const id = stepId.split('.').at(-1) ?? stepId;
    if (status === 'succeeded' && !Object.hasOwn(outputs, id)) outputs[id] = (output ?? null) as Json;
  }
  return outputs;
}
