import { setTimeout as delay } from 'node:timers/promises';
import { findOrgsWithOldRuns, purgeOldRuns, type RetentionDue } from '@millrace/db/retention';
import { dependencyFailed, runsPurged } from '@millrace/shared/events';
import { messageOf } from '@millrace/shared/message-of';
import type { Deps } from '../../deps.ts';
import { type DueLoop, openDueLoop } from '../../due-loop.ts';

const POLL_MS = 60_000;
/** After so many portions of one organization others get their turn. */
const MOST_PORTIONS = 20;
/** How long what somebody holds is left alone. */
const HELD_MS = 5_000;

/**
 * Removes runs that ended longer ago than their organization keeps them, in small portions and for at most half of the
 * time. Idle until it is started; of several API processes one at a time does it.
 */
export function openRunPurger({ config, log, db }: Pick<Deps, 'config' | 'log' | 'db'>): DueLoop {
  const stopping = new AbortController();
  const rest = (ms: number) => delay(ms, undefined, { ref: false, signal: stopping.signal }).catch(() => {});
  const loop = openDueLoop<RetentionDue>({
    places: 1,
    pollMs: POLL_MS,
    take: (limit) => findOrgsWithOldRuns(db, config.RUN_RETENTION_DAYS, limit),
    keyOf: ({ orgId }) => orgId,
    handle: async (due) => {
      let count = 0;
      for (let portion = 0; portion < MOST_PORTIONS && !stopping.signal.aborted; portion += 1) {
        const startedAt = performance.now();
        const purged = await purgeOldRuns(db, due);
        if (!purged) break;
        count += purged;
        await rest(performance.now() - startedAt);
      }
      if (count === 0) return await rest(HELD_MS);
      runsPurged(log, { orgId: due.orgId, count });
    },
    onError: (error) => {
      const reason = messageOf(error);
      dependencyFailed(log, { dependency: 'retention', error: reason });
    },
  });
  return {
    ...loop,
    stop: async () => {
      stopping.abort();
      await loop.stop();
    },
  };
}
