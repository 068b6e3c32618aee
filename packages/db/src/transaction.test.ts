import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { closeDatabase, connectDatabase } from './connect.ts';
import { isDatabaseUnavailable } from './failures.ts';
import { withoutOrg } from './tenant.ts';
import { createTestDatabase } from './testing.ts';

it('a connection that is cut while a transaction begins costs the pool nothing', async () => {
  const database = await createTestDatabase();
  const url = new URL(database.apiUrl);
  const port = Number(url.port);
  let isCutting = true;
  const bridge = createServer((client) => {
    const server = connect(port, url.hostname);
    client.on('data', (chunk) => {
      if (isCutting && chunk.includes('begin')) client.destroy();
      else server.write(chunk);
    });
    server.on('data', (chunk) => client.write(chunk));
    client.on('close', () => server.destroy()).on('error', () => {});
    server.on('close', () => client.destroy()).on('error', () => {});
  }).listen(0, '127.0.0.1');
  await once(bridge, 'listening');
  url.port = String((bridge.address() as AddressInfo).port);
  const db = connectDatabase({ url: url.href, poolSize: 2, applicationName: 'transaction-test', onError: () => {} });
  try {
    for (let tries = 1; tries <= 5; tries += 1) {
      const failure = await withoutOrg(db, async () => 'begun').catch((error: unknown) => error);
      expect([tries, isDatabaseUnavailable(failure)]).toEqual([tries, true]);
    }
    isCutting = false;
    expect(await Promise.all([1, 2, 3].map((value) => withoutOrg(db, async () => value)))).toEqual([1, 2, 3]);
    expect(db.pool.totalCount).toBeLessThanOrEqual(2);
  } finally {
    await closeDatabase(db);
    bridge.close();
    await database.drop();
  }
});
