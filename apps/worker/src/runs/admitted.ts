import { setTimeout as delay } from 'node:timers/promises';
import { admitHeldRuns } from '@millrace/db/admission';
import { dependencyFailed } from '@millrace/shared/events';
import { failPoint } from '@millrace/shared/fail-points';
import { messageOf } from '@millrace/shared/message-of';
import type { Deps } from '../deps.ts';

type Waking = Pick<Deps, 'db' | 'queue' | 'log'>;

const WAKE_TRIES = 4;
const FIRST_PAUSE_MS = 100;

/**
 * Wakes workers for runs whose turn has come. Tries again for a moment, since a run that is admitted takes room in its window
 * whether somebody was woken or not; then the sweeper finds them, 3 s after they were admitted. Never throws.
 */
export async function wakeAdmitted({ queue, log }: Waking, orgId: string, runIds: readonly string[]): Promise<void> {
  const wakes = runIds.map((runId) => ({ orgId, runId }));
  for (let tries = 1; ; tries += 1) {
    try {
      return await queue.wakeRuns(wakes);
    } catch (error) {
      dependencyFailed(log, { dependency: 'redis', error: messageOf(error) });
    }
    if (tries === WAKE_TRIES) return;
    await delay(FIRST_PAUSE_MS * tries);
  }
}

/**
 * Lets the next run of an organization go on that runs as many as it may, once one of them has ended or pauses. Never throws:
 * should it fail, or this process die before, the sweeper does it.
 */
export async function giveOnPlace(deps: Waking, orgId: string): Promise<void> {
  try {
    failPoint('run.ended-before-admission');
    const admitted = await admitHeldRuns(deps.db, [orgId]);
    if (admitted.length > 0) failPoint('run.admitted-by-end-before-wake');
    void wakeAdmitted(
      deps,
      orgId,
      admitted.map(({ runId }) => runId),
    );
  } catch (error) {
    const message = messageOf(error);
    dependencyFailed(deps.log, { dependency: 'postgresql', error: message });
  }
}
