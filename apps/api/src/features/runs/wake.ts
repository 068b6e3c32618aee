import type { RunWake } from '@millrace/queue/jobs';
import type { Deps } from '../../deps.ts';

/**
 * Brings a stored signal to whoever owns the run, and to some worker should nobody. Never throws: while Redis is away an
 * owner hears it by its heartbeat, and the sweeper wakes for all others once Redis is back.
 */
export async function wakeForSignal({ queue }: Pick<Deps, 'queue'>, run: RunWake): Promise<void> {
  await Promise.allSettled([queue.ringOwner(run.runId), queue.wakeRun(run)]);
}
