import { type SettledRun, settleChildEvents } from '@millrace/db/child-runs';
import type { RunRef } from '@millrace/db/run-events';
import { dependencyFailed, workflowRunCancelled } from '@millrace/shared/events';
import { failPoint } from '@millrace/shared/fail-points';
import { messageOf } from '@millrace/shared/message-of';
import type { Deps } from '../../deps.ts';
import { wakeForSignal } from './wake.ts';

type Told = Pick<Deps, 'db' | 'queue' | 'log'>;

/** After a run was cancelled: those it waited for go with it. Never throws: what is left here the sweeper finds. */
export async function settleFamily(deps: Told, run: RunRef): Promise<void> {
  try {
    for (const settled of await settleChildEvents(deps.db, run)) await tellSettled(deps, settled);
  } catch (error) {
    const reason = messageOf(error);
    dependencyFailed(deps.log, { dependency: 'postgresql', error: reason });
  }
}

/** Wakes whoever goes on because another run has ended, and says so of one that ended itself. */
export async function tellSettled({ queue, log }: Pick<Told, 'queue' | 'log'>, run: SettledRun): Promise<void> {
  failPoint('family.settled-before-wake');
  const { outcome, ...ended } = run;
  if (outcome === 'cancelled') workflowRunCancelled(log, ended);
  else await wakeForSignal({ queue }, { orgId: run.orgId, runId: run.runId });
}
