import { type ChildRun, type ChildStart, MAX_DEPTH, readChildRuns, startChildRun } from '@millrace/db/child-runs';
import { queueUnavailable, workflowRunEnqueued } from '@millrace/shared/events';
import { failPoint } from '@millrace/shared/fail-points';
import { newId } from '@millrace/shared/ids';
import { messageOf } from '@millrace/shared/message-of';
import type { Effect } from '@millrace/workflow/effects';
import type { StepError } from '@millrace/workflow/events';
import type { Json } from '@millrace/workflow/json';
import { findStep } from '@millrace/workflow/locate';
import { z } from 'zod';
import type { AttemptOutcome, Execution } from './execution.ts';
import { apply, noteSuccess } from './notes.ts';
import { persist } from './persist.ts';

/** The step is recorded as running before its run is started, and the run is found again by the step: it starts once. */

/** An evaluated config; its shape was checked when the document was published. */
const Config = z.object({
  workflowId: z.string().toLowerCase(),
  version: z.union([z.int(), z.literal('latest')]).default('latest'),
  input: z.unknown().optional(),
  wait: z.boolean().default(true),
});

type Asked = z.infer<typeof Config>;
type Prepared = { version: number; maxAttempts: number };
type Reason = { code: string; message: string };
const MAX_TRIES = 5;

/** An attempt of the step: makes the run, or finds it, and wakes a worker for it. */
export async function startChild(run: Execution, stepKey: string, config: Json): Promise<AttemptOutcome> {
  const asked = Config.parse(config);
  let prepared: Prepared = { version: 0, maxAttempts: 1 };
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const answer = await ask(run, stepKey, asked, prepared);
    if (answer.outcome === 'started') await announce(run, asked.workflowId, answer);
    if ('child' in answer)
      return { ok: true, output: { runId: answer.child.runId }, child: { ...answer.child, isAwaited: asked.wait } };
    if (answer.outcome !== 'version') return failed(REFUSALS[answer.outcome]);
    const next = await prepare(run, asked, answer.version);
    if ('code' in next) return failed(next);
    prepared = next;
  }
  return failed({ code: 'SUBWORKFLOW_NOT_PUBLISHED', message: 'The workflow is being published again and again.' });
}

function ask(
  { deps, claim, lease }: Execution,
  stepKey: string,
  asked: Asked,
  prepared: Prepared,
): Promise<ChildStart> {
  const { workflowId, version, input, wait: isAwaited } = asked;
  const pinnedVersion = version === 'latest' ? null : version;
  const child = { ...prepared, runId: newId(), workflowId, pinnedVersion, input: input ?? null, isAwaited };
  return persist(lease, () => startChildRun(deps.db, { parent: claim, stepKey, ...child }));
}

async function prepare(
  { deps, claim, lease }: Execution,
  { workflowId, input }: Asked,
  version: number,
): Promise<Prepared | Reason> {
  const prepared = await persist(lease, () => deps.planner({ orgId: claim.orgId, workflowId, version }));
  if (!prepared.ok) return { code: 'WORKFLOW_INVALID', message: `The workflow cannot be run: ${prepared.problem}` };
  const [problem] = prepared.checkInput?.(input ?? null) ?? [];
  if (problem === undefined) return { version, maxAttempts: prepared.plan.maxAttempts };
  const message = `The workflow does not take this input: ${problem.path} ${problem.message}`;
  return { code: 'SUBWORKFLOW_INPUT_INVALID', message };
}

/** Without Redis the sweeper finds the run by its row; one that is held waits for its turn. */
async function announce(
  { deps, claim }: Execution,
  workflowId: string,
  { child: { runId }, isHeld }: Extract<ChildStart, { child: ChildRun }>,
): Promise<void> {
  const { orgId, traceparent } = claim;
  workflowRunEnqueued(deps.log, { requestId: null, userId: null, orgId, workflowId, runId });
  if (isHeld) return;
  failPoint('child.started-before-wake');
  await deps.queue.wakeRun({ orgId, runId, traceparent }).catch((error: unknown) => {
    const reason = messageOf(error);
    queueUnavailable(deps.log, { requestId: null, userId: null, orgId, workflowId, runId, error: reason });
  });
}

const REFUSALS = {
  gone: { code: 'SUBWORKFLOW_NOT_FOUND', message: 'There is no such workflow any more.' },
  unpublished: { code: 'SUBWORKFLOW_NOT_PUBLISHED', message: 'The workflow has no such published version.' },
  disabled: { code: 'SUBWORKFLOW_DISABLED', message: 'The workflow is disabled.' },
  tooDeep: { code: 'SUBWORKFLOW_TOO_DEEP', message: `A run may have ${MAX_DEPTH} runs above it; this one has.` },
  // Nobody sees it: the step was cancelled, or the run belongs to another worker.
  fenced: { code: 'INTERNAL', message: 'The step does not run any more.' },
} as const;

function failed({ code, message }: Reason): AttemptOutcome {
  return { ok: false, error: { code, message, retryable: false } };
}

/** A step that has started its run begins to wait for it, and may be done in the same moment. */
export function awaitChild(run: Execution, stepKey: string, attempt: number, child: ChildRun): readonly Effect[] {
  const at = run.clock();
  const waits = apply(run, { type: 'step.waits', stepKey, attempt, for: 'subworkflow', dueAt: null, at });
  return [...waits, ...takeChildEnd(run, stepKey, new Map([[stepKey, child]]))];
}

export function isAwaitingChild(run: Execution, stepKey: string): boolean {
  const step = findStep(run.state, stepKey);
  return step?.status === 'waiting' && step.for === 'subworkflow';
}

/** What became of the runs that these steps wait for. */
export async function loadChildren(run: Execution, stepKeys: readonly string[]): Promise<Map<string, ChildRun>> {
  if (stepKeys.length === 0) return new Map();
  return persist(run.lease, () => readChildRuns(run.deps.db, run.claim, stepKeys));
}

/** The end of the run that a step waits for ends the step; nothing while it goes on. One that is not there was deleted. */
export function takeChildEnd(
  run: Execution,
  stepKey: string,
  children: ReadonlyMap<string, ChildRun>,
): readonly Effect[] {
  const step = findStep(run.state, stepKey);
  if (step?.status !== 'waiting' || step.for !== 'subworkflow') return [];
  const child = children.get(stepKey);
  const at = run.clock();
  switch (child?.status) {
    case 'queued':
    case 'running':
    case 'waiting':
      return [];
    case 'succeeded':
      // Rows hold JSON.
      noteSuccess(run, stepKey, step.attempt, (child.output ?? null) as Json);
      return apply(run, { type: 'step.resumed', stepKey, at });
    default:
      return apply(run, { type: 'step.resumeFailed', stepKey, error: failureOf(child), at });
  }
}

function failureOf(child: ChildRun | undefined): StepError {
  const because = child?.error ? `failed with ${child.error.code}: ${child.error.message}` : 'was cancelled';
  const message = child ? `The run ${child.runId} ${because}` : 'The run that this step waited for was deleted.';
  return { code: 'SUBWORKFLOW_FAILED', message, retryable: false };
}
