import { closeDatabase, connectDatabase, type Database } from '@millrace/db/connect';
import { type SeededTenant, seedTenant } from '@millrace/db/testing-rows';
import { eventually, startTestRedis, type TestRedis } from '@millrace/queue/testing';
import { createWorkflow, publishWorkflow } from '@millrace/shared/contracts/workflows';
import { signAccessToken } from '@millrace/shared/tokens';
import pg from 'pg';
import { call, createOrg, openTestApi, signUpUser, type TestApi, type TestUser } from '../../testing.ts';

/** The API on a Redis of its own, which a test may break, and an organization with its owner. */
export interface RunScene {
  api: TestApi;
  redis: TestRedis;
  /** As the superuser. */
  admin: pg.Client;
  /** With the login of workers. */
  worker: Database;
  owner: TestUser;
  orgId: string;
  /** Starts the Redis that a test killed; resolves when the API has found it, so that no later call meets the gap. */
  restartRedis(): Promise<void>;
  close(): Promise<void>;
}

export async function openRunScene(): Promise<RunScene> {
  const redis = await startTestRedis();
  const api = await openTestApi({ REDIS_URL: redis.url, ORG_ADMISSION_WINDOW: 1_000 });
  const admin = new pg.Client({ connectionString: api.adminUrl });
  await admin.connect();
  const worker = connectDatabase({ url: api.workerUrl, poolSize: 2, applicationName: 'a-worker', onError: () => {} });
  const owner = await signUpUser(api);
  const orgId = await createOrg(api, owner);
  return {
    ...{ api, redis, admin, worker, owner, orgId },
    restartRedis: async () => {
      await redis.restart();
      await eventually('the API finds Redis', () => api.deps.queue.isReady());
    },
    close: async () => {
      await admin.end();
      await closeDatabase(worker);
      await api.close();
      await redis.stop();
    },
  };
}

/** The API, and a tenant whose rows a test writes itself, as the superuser or with the login of workers. */
export interface SeededScene {
  api: TestApi;
  admin: Database;
  worker: Database;
  tenant: SeededTenant;
  /** Of the tenant's user. */
  token: string;
  tokenOf(tenant: SeededTenant): Promise<string>;
  close(): Promise<void>;
}

export async function openSeededScene(): Promise<SeededScene> {
  const api = await openTestApi();
  const options = { poolSize: 1, applicationName: 'a-seeded-scene', onError: () => {} };
  const admin = connectDatabase({ url: api.adminUrl, ...options });
  const worker = connectDatabase({ url: api.workerUrl, ...options });
  const tenant = await seedTenant(admin.pool);
  const tokenOf = ({ userId, sessionId }: SeededTenant) => {
    const life = { nowSec: Math.floor(Date.now() / 1000), ttlSec: 900 };
    return signAccessToken(api.deps.signingKeys, { userId, sessionId, email: 'a@example.com' }, life);
  };
  return {
    ...{ api, admin, worker, tenant, token: await tokenOf(tenant), tokenOf },
    close: async () => {
      await Promise.all([closeDatabase(admin), closeDatabase(worker)]);
      await api.close();
    },
  };
}

/** A document of pure steps with these ids, one after another. */
export function flowOf(...ids: string[]) {
  const nodes = ids.map((id) => ({ id, type: 'transform', config: { value: 1 } }));
  return { version: 'v2', trigger: { type: 'trigger.manual' }, nodes };
}

/** Creates and publishes a workflow; answers its id. */
export async function publishFlow(
  { api, owner, orgId }: Pick<RunScene, 'api' | 'owner' | 'orgId'>,
  dsl: object,
  name = 'Flow',
): Promise<string> {
  const input = { params: { orgId }, token: owner.token };
  const { body } = await call(api, createWorkflow, { ...input, body: { name, dsl } });
  const params = { orgId, workflowId: body.workflow.id };
  const { status, text } = await call(api, publishWorkflow, { ...input, params });
  if (status !== 200) throw new Error(`publishing answered ${status}: ${text}`);
  return params.workflowId;
}
