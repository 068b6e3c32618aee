import type { Database } from './connect.ts';

/** What a program has one of for each Database, made when it is first asked for; it lives as long as the Database does. */
export function perDatabase<T>(open: (db: Database) => T): (db: Database) => T {
  const opened = new WeakMap<Database, T>();
  return (db) => {
    const own = opened.get(db) ?? open(db);
    opened.set(db, own);
    return own;
  };
}
