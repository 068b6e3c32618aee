import { customType, pgSchema, timestamp, uuid } from 'drizzle-orm/pg-core';

/** Everything of ours lives in this schema; `public` is empty and closed. */
export const app = pgSchema('app');

export const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => 'bytea' });

/** Milliseconds, like a JavaScript Date: a finer value would not survive the trip through a list cursor. */
export function instant(name: string) {
  return timestamp(name, { withTimezone: true, precision: 3, mode: 'date' });
}

export function orgId() {
  return uuid('org_id').notNull();
}
