import { type SettledRun, settleChildEvents } from '@millrace/db/child-runs';
import { dependencyFailed, workflowRunCancelled } from '@millrace/shared/events';
import { failPoint } from '@millrace/shared/fail-points';
import { messageOf } from '@millrace/shared/message-of';
import { hasEnded } from '@millrace/workflow/state';
import type { Deps } from '../deps.ts';
import type { Changes, Execution } from './execution.ts';

/**
 * After a record that means something to another run: the end of one that may be awaited, or of a step that may have waited
 * for one. Nobody waits for this: what is left here the sweeper finds.
 */
export function tellFamily({ deps, claim, state }: Execution, { steps }: Changes): void {
  const isChildEnd = claim.triggerType === 'trigger.subworkflow' && hasEnded(state);
  const isCancelled = [...steps.values()].some(({ type, status }) => type === 'subworkflow' && status === 'cancelled');
  if (!isChildEnd && !isCancelled) return;
  failPoint(isChildEnd ? 'child.ended-before-parent-told' : 'step.cancelled-before-child-told');
  void settle(deps, claim).catch((error: unknown) => {
    const reason = messageOf(error);
    dependencyFailed(deps.log, { dependency: 'postgresql', error: reason });
  });
}

async function settle(deps: Deps, { orgId, runId }: Execution['claim']): Promise<void> {
  for (const settled of await settleChildEvents(deps.db, { orgId, runId })) await tellSettled(deps, settled);
}

/** Wakes whoever goes on because another run has ended, and says so of one that ended itself. Never throws. */
export async function tellSettled({ queue, log }: Pick<Deps, 'queue' | 'log'>, run: SettledRun): Promise<void> {
  failPoint('family.settled-before-wake');
  const { outcome, ...ended } = run;
  if (outcome === 'cancelled') workflowRunCancelled(log, ended);
  else await Promise.allSettled([queue.ringOwner(run.runId), queue.wakeRun({ orgId: run.orgId, runId: run.runId })]);
}
