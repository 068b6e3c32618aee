import { type Client, publish } from '../../bench/client.ts';

/** Workflows whose runs come by the windows, and how their runs may end. */

const SUCCEEDED = ['succeeded'];
const FAILED = ['failed'];
const CANCELLED = ['cancelled'];

export const ENDS = {
  /** Pauses once. */
  calls: SUCCEEDED,
  /** More calls at a time than the owner makes itself. */
  wide: SUCCEEDED,
  /** As wide, and one call is refused: those under way are not wanted any more. */
  breaks: FAILED,
  fails: FAILED,
  failsTogether: FAILED,
  waits: CANCELLED,
  never: CANCELLED,
  asks: SUCCEEDED,
  calledBack: SUCCEEDED,
  twoSteps: SUCCEEDED,
  quick: SUCCEEDED,
  /** Its step waits for a run of `quick`. */
  parent: SUCCEEDED,
  /** Its step waits for a run of `never`. */
  parentOfNever: CANCELLED,
  /** Fails while a step waits for a run of `waits`. */
  dropsChild: FAILED,
  /** One run of a key at a time. */
  limited: SUCCEEDED,
  /** A new run of a key ends the older one. */
  newest: ['succeeded', 'cancelled'],
  hook: SUCCEEDED,
  answeringHook: SUCCEEDED,
  /** Of an organization that may have few runs at a time. */
  narrow: SUCCEEDED,
  /** Of an organization with more runs than are admitted at a time. */
  crowded: SUCCEEDED,
} satisfies Record<string, string[]>;

export type DocumentName = keyof typeof ENDS;
/** Of their runs, below the organization. */
export type Paths = Record<DocumentName, string>;

interface Owners {
  client: Client;
  narrow: Client;
  crowded: Client;
}

const MANUAL = { type: 'trigger.manual' };

export function publishOf(client: Client, nodes: object[], rest: object = {}): Promise<string> {
  return publish(client, 'windows', { version: 'v2', trigger: MANUAL, nodes, ...rest });
}

export async function publishAll({ client, narrow, crowded }: Owners, url: string): Promise<Paths> {
  const call = (id: string, path: string) => {
    const retry = { maxAttempts: 9, backoffMs: 50 };
    return { id, type: 'http.request', config: { method: 'POST', url: `${url}${path}` }, retry };
  };
  const of = (nodes: object[], rest?: object) => publishOf(client, nodes, rest);
  const quick = [{ id: 'quick', type: 'transform', config: { value: 1 } }];
  const fail = { id: 'no', type: 'fail', config: { message: 'no' } };
  const paths = {
    calls: await of([call('call', '/')]),
    wide: await of([each(call('call', '/'))]),
    breaks: await of([each(call('call', '{% $item = 1 ? "/no" : "/slow" %}'))]),
    fails: await of([fail]),
    failsTogether: await of([fail]),
    waits: await of([{ id: 'wait', type: 'delay', config: { for: 'PT1H' } }]),
    never: await of([call('call', '/never')]),
    asks: await of([{ id: 'ask', type: 'approval', config: { by: 'member' } }]),
    calledBack: await of([{ id: 'wait', type: 'wait.webhook', config: {} }]),
    twoSteps: await of([call('one', '/slow'), call('two', '/')], { edges: [{ from: 'one', to: 'two' }] }),
    quick: await of(quick),
    limited: await of([call('call', '/slow')], placesOf('queue')),
    newest: await of([call('call', '/slow')], placesOf('cancelOldest')),
    hook: await of([call('call', '/')], { trigger: { type: 'trigger.webhook' } }),
    answeringHook: await of(quick, { trigger: { type: 'trigger.webhook', config: { reply: 'result' } } }),
    narrow: await publishOf(narrow, [call('call', '/short')]),
    crowded: await publishOf(crowded, quick),
  };
  const pause = { id: 'pause', type: 'delay', config: { for: 200 } };
  return {
    ...paths,
    parent: await of([waitsFor(paths.quick)]),
    parentOfNever: await of([waitsFor(paths.never)]),
    dropsChild: await of([waitsFor(paths.waits), ...quick, pause, fail], {
      edges: [
        { from: 'call', to: 'quick' },
        { from: 'pause', to: 'no' },
      ],
    }),
  };
}

function each(body: object) {
  const config = { items: '{% [1..16] %}', concurrency: 16, body: { nodes: [body] } };
  return { id: 'each', type: 'foreach', config };
}

function placesOf(whenFull: string) {
  return { settings: { concurrency: { limit: 1, key: '{% $trigger.input.key %}', whenFull } } };
}

function waitsFor(path: string) {
  return { id: 'call', type: 'subworkflow', config: { workflowId: workflowIdOf(path) } };
}

export function workflowIdOf(path: string): string {
  return path.split('/')[2] ?? '';
}
