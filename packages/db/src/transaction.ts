import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import type { Database } from './connect.ts';
import { isDatabaseUnavailable } from './failures.ts';

export type Transaction = Parameters<Parameters<NodePgDatabase['transaction']>[0]>[0];

/**
 * One transaction on a connection of the pool. The library's own way on a pool keeps the connection for ever when BEGIN
 * fails (drizzle-orm issue 6023): some cut connections later the pool is empty, and closing it never ends. It would also
 * hand on a connection whose statement nobody waited for.
 */
export async function transact<T>(db: Database, fn: (tx: Transaction) => Promise<T>): Promise<T> {
  const client = await db.pool.connect();
  let isBroken = false;
  try {
    return await drizzle(client).transaction(fn);
  } catch (error) {
    isBroken = isDatabaseUnavailable(error);
    throw error;
  } finally {
    client.release(isBroken);
  }
}
