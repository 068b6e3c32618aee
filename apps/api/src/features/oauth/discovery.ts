import type { Configuration } from 'openid-client';

/** A provider's keys have a shorter life of their own; addresses hardly ever change. */
const FRESH_MS = 3_600_000;
/** After a refresh that failed, what was known before is used this long until the next try. */
const RETRY_MS = 60_000;

export interface Discovery {
  /** What the provider says about itself, at most an hour old while it can be reached. */
  get(): Promise<Configuration>;
  /** Makes the next `get` ask again: its keys did not fit what it signed. */
  forget(): void;
}

/** Asks at first use, and once for all who wait at the same time. `now` is in milliseconds. */
export function cacheDiscovery(discover: () => Promise<Configuration>, now: () => number): Discovery {
  let held: { client: Configuration; until: number } | undefined;
  let asking: Promise<Configuration> | undefined;
  const ask = async () => {
    try {
      const client = await discover();
      held = { client, until: now() + FRESH_MS };
      return client;
    } catch (error) {
      if (!held) throw error;
      held.until = now() + RETRY_MS;
      return held.client;
    } finally {
      asking = undefined;
    }
  };
  return {
    get: async () => {
      if (held && now() < held.until) return held.client;
      asking ??= ask();
      return asking;
    },
    forget: () => {
      held = undefined;
    },
  };
}
