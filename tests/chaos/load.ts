import { setTimeout as pause } from 'node:timers/promises';
import { publish, signUp } from '../../bench/client.ts';
import type { Random } from './random.ts';
import type { Scene } from './scene.ts';

const ORGANIZATIONS = 3;
/** People that ask for runs at the same time. */
const CALLERS = 24;
/** Runs asked for and not begun: beyond it callers wait, since faults alone are to be seen, not a flood. */
const MOST_AHEAD = 400;
const CALL_TIMEOUT_MS = 30_000;

/** What became of one call. `none`: no answer; `unknown`: an answer that says that nobody knows. */
export interface Answer {
  n: number;
  status: number | 'none' | 'unknown';
  code: string | undefined;
  runId: string | undefined;
  requestId: string | undefined;
  ms: number;
  /** Sent under an `Idempotency-Key`, and again until it was accepted or given up. */
  key: string | undefined;
}

export interface Load {
  answers: Answer[];
  acceptedCount(): number;
  stop(): Promise<void>;
}

interface Target {
  /** Of three steps, and of a loop whose calls are spread over all workers. */
  paths: { narrow: string; wide: string };
  headers: Record<string, string>;
}

/** Asks for runs of several organizations without pause until it is stopped. */
export async function startLoad(scene: Scene, random: Random): Promise<Load> {
  const targets = await openTargets(scene);
  const answers: Answer[] = [];
  let isStopped = false;
  let accepted = 0;
  let n = 0;
  const call = async () => {
    n += 1;
    const number = n;
    const key = number % 5 === 0 ? `chaos-${number}` : undefined;
    const target = random.pick(targets);
    for (let tries = key === undefined ? 5 : 1; tries <= 5; tries += 1) {
      const answer = await ask(scene, random, target, { n: number, key });
      answers.push(answer);
      if (answer.status === 201) accepted += 1;
      if (answer.status === 201 || isStopped) return;
      await pause(random.between(100, 300));
    }
  };
  const caller = async () => {
    while (!isStopped) {
      const isAhead = accepted - scene.echo.runCount() > MOST_AHEAD;
      const isServed = scene.apis.some(({ program }) => program !== null);
      if (isServed && !isAhead) await call();
      await pause(random.between(0, 150));
    }
  };
  const callers = Array.from({ length: CALLERS }, caller);
  return {
    answers,
    acceptedCount: () => accepted,
    async stop() {
      isStopped = true;
      await Promise.all(callers);
    },
  };
}

async function openTargets(scene: Scene): Promise<Target[]> {
  const targets: Target[] = [];
  for (let index = 0; index < ORGANIZATIONS; index += 1) {
    const client = await signUp(scene.apis[0]?.program?.url ?? '');
    const pathOf = async (document: object) => `${client.orgPath}${await publish(client, 'chaos', document)}`;
    const { url } = scene.echo;
    const paths = { narrow: await pathOf(narrowDocument(url)), wide: await pathOf(wideDocument(url)) };
    targets.push({ paths, headers: client.headers });
  }
  return targets;
}

/** One in so many runs is wide. Its calls are slow ones, which faults meet, see echo.ts. */
const WIDE = 20;
const WIDTH = 16;

/** Three steps, the second with an effect that can be seen from outside. */
function narrowDocument(url: string) {
  return {
    version: 'v2',
    trigger: { type: 'trigger.manual' },
    nodes: [
      { id: 'before', type: 'transform', config: { value: { n: '{% $trigger.input.n %}' } } },
      {
        id: 'call',
        type: 'http.request',
        retry: { maxAttempts: 5, backoffMs: 200 },
        config: { method: 'POST', url, body: { n: '{% $steps.before.output.n %}' } },
      },
      { id: 'after', type: 'transform', config: { value: { twice: '{% $steps.call.output.body.n * 2 %}' } } },
    ],
    edges: [
      { from: 'before', to: 'call' },
      { from: 'call', to: 'after' },
    ],
  };
}

/** All of its calls at a time: more than its owner makes itself. */
function wideDocument(url: string) {
  const call = {
    ...{ id: 'call', type: 'http.request', retry: { maxAttempts: 5, backoffMs: 200 } },
    config: { method: 'POST', url, body: { n: '{% $trigger.input.n %}' } },
  };
  const body = { nodes: [call], output: '{% $steps.call.output.body.n %}' };
  const twice = `{% $sum($steps.each.output) * 2 / ${WIDTH} %}`;
  return {
    version: 'v2',
    trigger: { type: 'trigger.manual' },
    nodes: [
      { id: 'each', type: 'foreach', config: { items: `{% [1..${WIDTH}] %}`, concurrency: WIDTH, body } },
      { id: 'after', type: 'transform', config: { value: { twice } } },
    ],
    edges: [{ from: 'each', to: 'after' }],
  };
}

async function ask(
  scene: Scene,
  random: Random,
  { paths, headers }: Target,
  { n, key }: { n: number; key: string | undefined },
): Promise<Answer> {
  const running = scene.apis.filter(({ program }) => program !== null);
  const url = running.length > 0 ? random.pick(running).program?.url : undefined;
  const path = n % WIDE === WIDE / 2 ? paths.wide : paths.narrow;
  const began = performance.now();
  const answer = { n, key, code: undefined, runId: undefined, requestId: undefined };
  try {
    if (url === undefined) throw new Error('no API runs');
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { ...headers, ...(key !== undefined && { 'idempotency-key': key }) },
      body: JSON.stringify({ input: { n } }),
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    });
    const body = (await response.json()) as {
      code?: string;
      message?: string;
      requestId?: string;
      run?: { id: string };
    };
    const { code, requestId, message = '' } = body;
    const status = /it may have been/.test(message) ? 'unknown' : response.status;
    return { ...answer, status, code, requestId, runId: body.run?.id, ms: performance.now() - began };
  } catch {
    return { ...answer, status: 'none', ms: performance.now() - began };
  }
}
