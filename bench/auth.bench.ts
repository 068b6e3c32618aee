/**
 * What identity costs: an authenticated read beside a bare route that reads the same row, reading with an API key, reads
 * while hundreds of people sign in, refreshing, and what a login tells by its time. `npm run bench -- auth`; takes about
 * two minutes. See bench/README.md for what the figures mean.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Client, publish, signUp } from './client.ts';
import { compareReads, type ReadTarget } from './read-rates.ts';
import { measureLoginFlood, measureLoginTimes, measureRefreshes } from './sign-in.ts';
import { type Stack, startStack } from './stack.ts';
import { plainWorkflow, runInput } from './workflows.ts';

// The load comes from one address and is no attack.
const stack = await startStack({ RATE_LIMIT_SIGN_IN_PER_MIN: '1000000', RATE_LIMIT_LOGIN_FAILURES: '1000000' });
try {
  const client = await signUp(stack.apiUrl);
  const target = await prepareTarget(stack, client);
  await compareReads(stack, target);
  await measureLoginFlood(stack, client, target);
  await measureRefreshes(stack, client);
  await measureLoginTimes(stack, client);
} finally {
  await stack.stop();
}

/** A run of three steps that has ended, and the two credentials to read it with. */
async function prepareTarget(stack: Stack, client: Client): Promise<ReadTarget> {
  const runs = await publish(client, 'three plain steps', plainWorkflow);
  const created = await client.call('POST', runs, { input: runInput });
  const path = `${runs}/${created.run?.id}`;
  while ((await client.call('GET', path)).run?.status !== 'succeeded') await delay(50);
  const key = `mr_${randomBytes(32).toString('base64url')}`;
  await stack.admin.query(
    `INSERT INTO app.api_keys (org_id, id, name, key_hash, key_hint, permissions, created_by_user_id)
     SELECT org_id, $2, 'bench', $3, 'bench', '{run:read}', user_id FROM app.memberships WHERE org_id = $1`,
    [client.orgId, randomUUID(), createHash('sha256').update(key).digest()],
  );
  const keyHeaders = { authorization: `Bearer ${key}`, 'x-org-id': client.orgId };
  return { path: `${client.orgPath}${path}`, tokenHeaders: client.headers, keyHeaders };
}
