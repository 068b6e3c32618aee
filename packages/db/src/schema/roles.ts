import { integer, text } from 'drizzle-orm/pg-core';
import { app } from './columns.ts';

export type RoleKey = 'owner' | 'admin' | 'member';

/** Reference table: three rows, written by a migration, read-only for programs. */
export const roles = app.table('roles', {
  key: text('key').$type<RoleKey>().primaryKey(),
  rank: integer('rank').notNull().unique(),
});
