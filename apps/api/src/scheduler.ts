import { findDueOrgs, fireSchedules, msUntilNextTick } from '@millrace/db/schedules';
import { openScheduler, type Scheduler } from '@millrace/queue/scheduler';
import { dependencyFailed, queueUnavailable, tellFiredSchedules } from '@millrace/shared/events';
import type { Deps } from './deps.ts';

/** Fires cron triggers; idle until it is started. Runs in every API and worker process. */
export function openCronScheduler({ db, queue, log }: Pick<Deps, 'db' | 'queue' | 'log'>): Scheduler {
  return openScheduler({
    findDueOrgs: (afterOrgId, limit) => findDueOrgs(db, afterOrgId, limit),
    fireSchedules: async (orgId) => {
      const fired = await fireSchedules(db, orgId);
      tellFiredSchedules(log, fired);
      return fired;
    },
    msUntilNextTick: () => msUntilNextTick(db),
    wakeRun: (wake) => queue.wakeRun(wake),
    onError: (error) => dependencyFailed(log, { dependency: 'scheduler', error: error.message }),
    onWakeFailed: (error) => queueUnavailable(log, { error: error.message }),
  });
}
