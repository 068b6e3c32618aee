import pg from 'pg';
import { isDatabaseUnavailable } from './failures.ts';

/**
 * A few connections that many short reads share. Each sends its statement at once, whatever is under way before it
 * (pipelining), and answers come in the order of sending: a read takes no place in the pool, waits for no transaction,
 * and under load costs PostgreSQL and us half of what it costs on a connection of its own.
 */
export interface SharedReads {
  /**
   * Each statement is a transaction of its own, and a failure is its own too. Only for single statements that write
   * nothing and wait for no lock: a slow one holds up those behind it, and a lost connection takes all under way with it.
   */
  query<Row extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<Row[]>;
  /** Waits for what is under way. */
  close(): Promise<void>;
}

interface Line {
  /** Null until it is needed, and again once it is lost. */
  client: Promise<pg.Client> | null;
  underWay: number;
}

/** Opens no connection yet. A query opens the one it needs, and fails when it cannot be had in time. */
export function openSharedReads(
  config: pg.ClientConfig,
  options: { connections: number; onError: (error: Error) => void },
): SharedReads {
  const lines: Line[] = Array.from({ length: options.connections }, () => ({ client: null, underWay: 0 }));
  let isClosed = false;
  return {
    async query<Row extends pg.QueryResultRow>(statement: pg.QueryConfig) {
      if (isClosed) throw new Error('the database was closed');
      const line = lines.reduce((least, one) => (one.underWay < least.underWay ? one : least));
      line.underWay += 1;
      line.client ??= openClient(line, config, options.onError);
      const opened = line.client;
      try {
        const client = await opened;
        return (await client.query<Row>(statement)).rows;
      } catch (error) {
        // The server says so to the statement before the connection ends: nobody may come to this one meanwhile.
        if (isDatabaseUnavailable(error) && line.client === opened) line.client = null;
        throw error;
      } finally {
        line.underWay -= 1;
      }
    },
    async close() {
      isClosed = true;
      await Promise.all(lines.map(async ({ client }) => (await client?.catch(() => undefined))?.end()));
    },
  };
}

function openClient(line: Line, config: pg.ClientConfig, onError: (error: Error) => void): Promise<pg.Client> {
  const client = new pg.Client({ ...config, pipeline: true });
  const opened = client.connect().then(() => client);
  const forget = () => {
    if (line.client === opened) line.client = null;
  };
  client.on('error', (error) => {
    forget();
    onError(error);
  });
  client.on('end', forget);
  opened.catch(forget);
  return opened;
}
