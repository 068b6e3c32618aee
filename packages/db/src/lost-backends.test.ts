import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { endLostBackend, mayHaveCommitted, onConnection } from './lost-backends.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

/** apps/api/src/features/runs/certainty.test.ts cuts connections under real accepts; tests/pgbouncer.test.ts does behind a pooler. */

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await createTestDatabase();
  db = connectDatabase({ url: database.apiUrl, poolSize: 2, applicationName: 'lost', onError: () => {} });
});
afterAll(async () => {
  await closeDatabase(db);
  await database.drop();
});

const failureOf = (work: Promise<unknown>) => work.then(() => null).catch((error: unknown) => error);

/** What is heard when this client's server process is `pid`, and the connection is lost. */
const loseAs = (pid: number) =>
  failureOf(
    onConnection(db, async (client) => {
      Object.assign(client, { processID: pid });
      throw new Error('Connection terminated unexpectedly');
    }),
  );

async function connect(): Promise<{ client: pg.Client; pid: number }> {
  const client = new pg.Client({ connectionString: database.apiUrl });
  client.on('error', () => {});
  await client.connect();
  const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
  return { client, pid: rows[0].pid };
}

it('ends the process that was at work, once for all who heard of it', async () => {
  const { client, pid } = await connect();
  const error = await loseAs(pid);
  expect(mayHaveCommitted(error)).toBe(true);
  expect(await Promise.all([endLostBackend(db, error), endLostBackend(db, error)])).toEqual([true, true]);
  await expect(client.query('SELECT 1')).rejects.toThrow();
});

it('spares a process that began later and was given the same number', async () => {
  let later: Awaited<ReturnType<typeof connect>> | undefined;
  const error = await failureOf(
    onConnection(db, async (held) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      later = await connect();
      Object.assign(held, { processID: later.pid });
      throw new Error('Connection terminated unexpectedly');
    }),
  );
  expect(await endLostBackend(db, error)).toBe(true);
  expect((await later?.client.query('SELECT 1 AS one'))?.rows).toEqual([{ one: 1 }]);
  await later?.client.end();
});

it('has nothing to end where the server itself refused, or the work never reached it', async () => {
  const refused = await failureOf(onConnection(db, (client) => client.query('SELECT 1 / 0')));
  const own = await failureOf(onConnection(db, () => Promise.reject(new Error('of our own'))));
  for (const error of [refused, own]) {
    expect(mayHaveCommitted(error)).toBe(false);
    expect(await endLostBackend(db, error)).toBe(true);
  }
});
