import type { Document } from '@millrace/workflow/edit';
import { freeId } from '@millrace/workflow/edit-steps';
import { findKind, isLaterKind, KIND_NAMES } from '@millrace/workflow/steps/registry';

/** How a kind of step is shown, and what a new one begins with. */
export interface NodeKind {
  readonly type: string;
  readonly label: string;
  readonly about: string;
  /** What ids of new steps are made of. */
  readonly stem: string;
  readonly config: Readonly<Record<string, unknown>>;
}

const BODY = { nodes: [{ id: 'step', type: 'transform', config: { value: '{% $item %}' } }] };

const KINDS: readonly NodeKind[] = [
  kind('http.request', 'HTTP request', 'Calls an address and gives its answer', 'request', { method: 'GET', url: '' }),
  kind('transform', 'Transform', 'Makes a value out of other values', 'value', { value: {} }),
  kind('condition', 'Condition', 'Goes one way or the other', 'check', { if: '{% true %}' }),
  kind('switch', 'Switch', 'Takes the first case that holds', 'choose', {
    cases: [{ name: 'first', if: '{% true %}' }],
  }),
  kind('parallel.join', 'Join', 'Brings parallel paths together', 'join', { mode: 'all' }),
  kind('foreach', 'For each', 'Runs its steps once for each item', 'each', {
    items: '{% $trigger.input %}',
    body: BODY,
  }),
  kind('repeat', 'Repeat', 'Runs its steps until a condition holds', 'repeat', {
    until: '{% true %}',
    maxTimes: 10,
    body: BODY,
  }),
  kind('delay', 'Delay', 'Waits for a time span or until a time', 'wait', { for: 'PT1M' }),
  kind('approval', 'Approval', 'Waits until somebody decides', 'approval', { by: 'member' }),
  kind('fail', 'Fail', 'Ends the path with an error', 'fail', { message: 'This must not happen.' }),
  kind('respond', 'Respond', 'Answers whoever called', 'respond', { status: 200 }),
  kind('wait.webhook', 'Wait for a call', 'Waits until its address is called', 'callback', {}),
  kind('subworkflow', 'Subworkflow', 'Runs another workflow', 'subworkflow', { workflowId: '' }),
];

/** The kinds that can be published, in the order of the palette. */
export const OFFERED_KINDS = KINDS.filter(({ type }) => KIND_NAMES.includes(type) && !isLaterKind(type));

export function kindOf(type: string | null): NodeKind {
  return KINDS.find((known) => known.type === type) ?? kind(type ?? '', type || 'Unknown step', '', 'step', {});
}

/** Whether one step of that kind can be tried by itself: waits would only wait, and a loop is its body. */
export function isTestable(type: string | null): boolean {
  const known = findKind(type ?? '');
  return known !== undefined && !known.wait && !known.loop && !isLaterKind(known.type);
}

/** A step of that kind as the palette adds it, with ids that the document has not. */
export function newStep(document: Document, type: string): { id: string; type: string; config: object } {
  const { stem, config } = kindOf(type);
  const id = freeId(document, stem);
  if (!('body' in config)) return { id, type, config };
  const inner = BODY.nodes.map((node) => ({ ...node, id: freeId(document, `${id}Step`) }));
  return { id, type, config: { ...config, body: { nodes: inner } } };
}

function kind(type: string, label: string, about: string, stem: string, config: NodeKind['config']): NodeKind {
  return { type, label, about, stem, config };
}
