import { admitHeldRuns } from '@millrace/db/admission';
import { dependencyFailed } from '@millrace/shared/events';
import type { Deps } from '../deps.ts';

type Waking = Pick<Deps, 'db' | 'queue' | 'log'>;

/** Wakes workers for runs whose turn has come. Never throws: should it fail, the sweeper finds them after 3 s. */
export async function wakeAdmitted({ queue, log }: Waking, orgId: string, runIds: readonly string[]): Promise<void> {
  await queue.wakeRuns(runIds.map((runId) => ({ orgId, runId }))).catch((error: unknown) => {
    dependencyFailed(log, { dependency: 'redis', error: error instanceof Error ? error.message : String(error) });
  });
}

/**
 * Lets the next run of an organization go on that runs as many as it may, once one of them has ended or pauses. Never throws:
 * should it fail, or this process die before, the sweeper does it.
 */
export async function giveOnPlace(deps: Waking, orgId: string): Promise<void> {
  try {
    const admitted = await admitHeldRuns(deps.db, [orgId]);
    await wakeAdmitted(
      deps,
      orgId,
      admitted.map(({ runId }) => runId),
    );
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    dependencyFailed(deps.log, { dependency: 'postgresql', error: message });
  }
}
