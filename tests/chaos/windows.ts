import { send } from '../../bench/client.ts';
import { eventually } from '../../packages/queue/src/testing.ts';
import { FAIL_POINTS, type FailPoint } from '../../packages/shared/src/fail-points.ts';
import { newId } from '../../packages/shared/src/ids.ts';
import { resumeKeyOf, resumeUrl } from '../../packages/shared/src/resume-urls.ts';
import { type DocumentName, workflowIdOf } from './window-documents.ts';
import { MOST_AT_WORK, WINDOW, type WindowScene } from './window-scene.ts';

/** What leads a program to each of its windows. */

/** One use of an API that comes by its point. */
export interface ApiWindow {
  name: FailPoint;
  /** Of the API that is to die. */
  settings?: Record<string, string>;
  /** Makes what it needs with the healthy programs and answers what to ask for. */
  prepare: () => Promise<{ path: string; body: object }>;
  /** Whoever gets no answer asks again: under the same `Idempotency-Key`, or for what is still to be done. */
  again?: 'sameKey' | 'anew';
}

/** Nobody listens there. */
const NO_REDIS = { REDIS_URL: 'redis://127.0.0.1:1' };

export function apiWindows(scene: WindowScene): ApiWindow[] {
  const { client, paths } = scene;
  const startRun = async () => ({ path: `${client.orgPath}${paths.calls}`, body: { input: {} } });
  const toHook = async () => ({ path: await scene.hookOf('hook'), body: {} });
  const ofRun =
    (name: DocumentName, status: string, action: string, body: object = {}) =>
    async () => ({
      path: `${client.orgPath}${paths[name]}/${await scene.startUntil(name, status)}/${action}`,
      body,
    });
  const approval = { decision: 'approved' };
  return [
    { name: 'run.before-accept', prepare: startRun, again: 'sameKey' },
    { name: 'run.accepted-before-wake', prepare: startRun, again: 'sameKey' },
    { name: 'run.woken-before-answer', prepare: startRun, again: 'sameKey' },
    { name: 'run.not-woken-before-take-back', prepare: startRun, again: 'sameKey', settings: NO_REDIS },
    { name: 'run.cancelled-before-ring', prepare: ofRun('never', 'running', 'cancel') },
    { name: 'run.cancelled-before-ring', prepare: ofRun('parentOfNever', 'waiting', 'cancel') },
    { name: 'family.settled-before-wake', prepare: ofRun('parentOfNever', 'waiting', 'cancel') },
    { name: 'run.decided-before-wake', prepare: ofRun('asks', 'waiting', 'steps/ask/decide', approval) },
    { name: 'run.resumed-before-wake', prepare: () => toWaitingStep(scene) },
    { name: 'run.retried-before-wake', prepare: ofRun('fails', 'failed', 'retry'), again: 'sameKey' },
    { name: 'bulk.cancelled-before-ring', prepare: () => toMany(scene, 'never', 'running', 'cancel') },
    {
      name: 'bulk.retried-before-wake',
      prepare: () => toMany(scene, 'failsTogether', 'failed', 'retry'),
      again: 'anew',
    },
    { name: 'hook.stored-before-run', prepare: toHook },
    { name: 'hook.run-made-before-wake', prepare: toHook },
  ];
}

async function toWaitingStep({ client: { orgId }, platform: { env }, startUntil }: WindowScene) {
  const step = { orgId, runId: await startUntil('calledBack', 'waiting'), stepKey: 'wait' };
  const key = resumeKeyOf(env) ?? Buffer.alloc(0);
  return { path: new URL(resumeUrl(key, 'http://localhost', step)).pathname, body: { n: 1 } };
}

export const TOGETHER = 3;

/** All runs of the workflow that are started here, and no others. */
async function toMany({ client, paths, startUntil }: WindowScene, name: DocumentName, status: string, action: string) {
  const from = new Date().toISOString();
  for (let count = 0; count < TOGETHER; count += 1) await startUntil(name, status);
  const filter = { workflowId: workflowIdOf(paths[name]), from, to: new Date().toISOString() };
  return { path: `${client.orgPath}/runs/${action}`, body: { filter } };
}

/** Gives a worker that is to die something to do; answers how many runs it started by hand. */
export type Work = () => Promise<number>;

/** Of the calls of a wide run more are offered to all workers than its owner does itself. */
export function commonWork({ start }: WindowScene): Work {
  let count = 0;
  return async () => {
    await start(count % 4 === 0 ? 'wide' : 'calls');
    count += 1;
    return 1;
  };
}

/** What the other windows of a worker need. Works that are the same are done once. */
export function specialWorks(scene: WindowScene, answers: Promise<number>[]): Partial<Record<FailPoint, Work>> {
  const starting = (name: DocumentName, count: number) => async () => {
    const key = newId();
    await Promise.all(Array.from({ length: count }, () => scene.start(name, { key })));
    return count;
  };
  const parent = starting('parent', 1);
  const limited = starting('limited', 2);
  const narrow = starting('narrow', MOST_AT_WORK + 2);
  const breaks = starting('breaks', 1);
  return {
    'child.started-before-wake': parent,
    'child.ended-before-parent-told': parent,
    'family.settled-before-wake': parent,
    'step.cancelled-before-child-told': starting('dropsChild', 1),
    'run.ended-before-place-given': limited,
    'place.given-before-wake': limited,
    'place.taken-before-ring': starting('newest', 2),
    'run.ended-before-admission': narrow,
    'run.admitted-by-end-before-wake': narrow,
    'run.admitted-by-claim-before-wake': starting('crowded', WINDOW + 8),
    'attempt.revoked-before-ring': breaks,
    'attempt.forgotten-before-ring': breaks,
    'answer.recorded-before-ring': async () => {
      answers.push(statusOfPost(scene, 'answeringHook'));
      return 0;
    },
    'sweep.run-made-before-wake': () => deliverWithoutRun(scene),
  };
}

async function statusOfPost({ api, hookOf }: WindowScene, name: DocumentName): Promise<number> {
  return (await fetch(`${api.url}${await hookOf(name)}`, { method: 'POST' })).status;
}

const MAKE_RUN = 'FUNCTION app.make_hook_run(uuid, uuid, integer, integer, uuid)';

/** A request to a webhook is accepted while its run cannot be made: a sweeper has to make it. */
export async function deliverWithoutRun({ api, admin, client, hookOf }: WindowScene): Promise<number> {
  await admin.query(`REVOKE EXECUTE ON ${MAKE_RUN} FROM app_api`);
  try {
    await send(api.url, client.headers, 'POST', await hookOf('hook'), {});
  } finally {
    await admin.query(`GRANT EXECUTE ON ${MAKE_RUN} TO app_api`);
  }
  await admin.query('UPDATE app.hook_deliveries SET next_sweep_at = now() WHERE next_sweep_at IS NOT NULL');
  return 0;
}

/** Until a step of this run has called. */
export async function untilCalled({ echo }: WindowScene, runId: string, timeoutMs: number): Promise<void> {
  const isCalled = () => echo.calls.some(({ key }) => key.startsWith(`${runId}:`));
  await eventually('a step to call', isCalled, timeoutMs);
}

export const SCHEDULE_WINDOWS: FailPoint[] = ['schedule.claimed-before-run', 'schedule.fired-before-wake'];
/** A worker comes by these when it has a run that it does not go on with, but another one may. */
const HAND_BACK_WINDOWS: FailPoint[] = ['run.given-up-before-delay', 'run.handed-back-before-wake'];

/** The windows of a worker that any run leads to, or a wide one. */
export function commonWindows(scene: WindowScene): FailPoint[] {
  const ofApis = apiWindows(scene).map(({ name }) => name);
  const others = [...ofApis, ...Object.keys(specialWorks(scene, [])), ...SCHEDULE_WINDOWS, ...HAND_BACK_WINDOWS];
  return FAIL_POINTS.filter((name) => !others.includes(name));
}
