import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import type { Database } from './connect.ts';
import { onConnection } from './lost-backends.ts';

export type Transaction = Parameters<Parameters<NodePgDatabase['transaction']>[0]>[0];

/**
 * One transaction on a connection of the pool. The library's own way on a pool keeps the connection for ever when BEGIN
 * fails (drizzle-orm issue 6023): some cut connections later the pool is empty, and closing it never ends. It would also
 * hand on a connection whose statement nobody waited for.
 */
export async function transact<T>(db: Database, fn: (tx: Transaction) => Promise<T>): Promise<T> {
  return await onConnection(db, (client) => drizzle(client).transaction(fn));
}
