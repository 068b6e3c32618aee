import { rmSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addKey } from '../apps/api/src/features/organizations/testing.ts';
import { loadContracts, readRouteTable } from '../apps/api/src/http/testing.ts';
import { attackRoute, organizationRoutes, SHAPES } from '../apps/api/src/http/testing-isolation.ts';
import { type IsolationScene, openIsolationScene } from '../apps/api/src/http/testing-tenants.ts';
import { call, openTestApi } from '../apps/api/src/testing.ts';
import { closeDatabase, connectDatabase } from '../packages/db/src/connect.ts';
import { sqlStateOf } from '../packages/db/src/failures.ts';
import { endLostBackend, mayHaveCommitted, onConnection } from '../packages/db/src/lost-backends.ts';
import { testClusterUrl } from '../packages/db/src/testing.ts';
import { digestOfTenant } from '../packages/db/src/testing-marks.ts';
import { seedQueuedRun } from '../packages/db/src/testing-rows.ts';
import { eventually, startFaultProxy } from '../packages/queue/src/testing.ts';
import * as apiKeys from '../packages/shared/src/contracts/api-keys.ts';
import * as organizations from '../packages/shared/src/contracts/organizations.ts';
import * as runs from '../packages/shared/src/contracts/runs.ts';
import * as workflows from '../packages/shared/src/contracts/workflows.ts';
import { reportFigure } from '../packages/shared/src/testing.ts';
import type { Host } from '../scripts/services/host.ts';
import { type PgBouncer, startPgBouncer } from '../scripts/services/pgbouncer.ts';
import { createTestHost } from '../scripts/services/testing.ts';

/**
 * The tenants stay apart when clients share server connections: the whole API behind a pooler in transaction mode, two
 * server connections for all, statements without names as `DATABASE_PREPARED=off` sends them.
 */

const MODES = ['strict', 'warn'] as const;
const POOL_SIZE = 2;
const PORT = 16_440;

let host: Host;
let bouncer: PgBouncer;
const scenes = {} as Record<(typeof MODES)[number], IsolationScene>;

beforeAll(async () => {
  host = createTestHost();
  const throughPooler: typeof openTestApi = (settings) =>
    openTestApi((database) => ({
      ...(typeof settings === 'function' ? settings(database) : settings),
      API_DATABASE_URL: bouncer.urlOf(database.apiUrl),
      DATABASE_PREPARED: false,
    }));
  bouncer = await startPgBouncer({
    host,
    preferredPort: PORT,
    postgresUrl: testClusterUrl(),
    logins: { app_api: 'test-api' },
    poolSize: POOL_SIZE,
    say: (line) => process.stdout.write(`${line}\n`),
  });
  for (const mode of MODES) scenes[mode] = await openIsolationScene(mode, throughPooler);
}, 300_000); // installing PgBouncer, where it is missing, takes its time

afterAll(async () => {
  await bouncer?.stop();
  for (const scene of Object.values(scenes)) await scene.close();
  rmSync(host.dataDir, { recursive: true, force: true });
});

describe.each(MODES)('through PgBouncer in %s mode', (mode) => {
  it('T2: no route shows or changes anything of another organization, in every shape and role', async () => {
    const { api, admin, victim } = scenes[mode];
    const routes = organizationRoutes(await readRouteTable(api.app), await loadContracts());
    const before = await digestOfTenant(admin, victim.orgId);
    const outcomes = [];
    for (const route of routes) outcomes.push(await attackRoute(scenes[mode], route));
    expect(outcomes.flatMap(({ findings }) => findings)).toEqual([]);
    expect(await digestOfTenant(admin, victim.orgId)).toBe(before);
    const calls = outcomes.reduce((sum, outcome) => sum + outcome.calls, 0);
    expect(calls).toBe(routes.length * SHAPES.length * 3);
    reportFigure(
      `Tenant isolation through PgBouncer, ${mode}`,
      `${routes.length} routes x ${SHAPES.length} shapes x 3 roles = ${calls} calls over ${POOL_SIZE} server connections, 0 foreign bytes, 0 foreign rows changed`,
    );
  }, 120_000);
});

describe('through PgBouncer, two organizations at once', () => {
  it('T2: 200 mixed calls at the same time answer each with its own rows, over 2 server connections', async () => {
    const { api, admin, own, victim, attackers, victimOwner, marker, ownMarker } = scenes.strict;
    const key = await addKey(api, victim.orgId, victimOwner, ['run:read', 'member:read', 'org:read', 'workflow:read']);
    const [ownRun, victimRun] = [await seedQueuedRun(admin, own), await seedQueuedRun(admin, victim)];
    await admin.query(`UPDATE app.workflow_runs SET input = to_jsonb($2::text) WHERE id = $1`, [ownRun, ownMarker]);
    await admin.query(`UPDATE app.workflow_runs SET input = to_jsonb($2::text) WHERE id = $1`, [victimRun, marker]);
    const sides = [
      {
        tokens: [attackers.owner.insider, attackers.owner.insiderKey],
        mark: ownMarker,
        other: marker,
        ...own,
        queuedRunId: ownRun,
      },
      { tokens: [victimOwner.token, key], mark: marker, other: ownMarker, ...victim, queuedRunId: victimRun },
    ];
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const side = sides[n % 2] as (typeof sides)[0];
        const answer = await mixedCall(side, Math.floor(n / 2));
        return { n, side, answer };
      }),
    );
    for (const { n, side, answer } of answers) {
      expect([200, 201], `${n}: ${answer.text}`).toContain(answer.status);
      expect(answer.text.includes(side.mark) || answer.status === 201, `${n}: ${answer.text}`).toBe(true);
      expect(answer.text, String(n)).not.toContain(side.other);
    }
    const { rows } = await admin.query(
      `SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND usename = 'app_api'`,
    );
    expect(rows[0].count).toBeLessThanOrEqual(POOL_SIZE);
    reportFigure(
      'Two tenants through PgBouncer',
      `200 calls at once over ${rows[0].count} server connections, 0 foreign bytes`,
    );
  });

  it('T2: a connection that comes back from a tenant carries no context on: a bare select raises WF001', async () => {
    const { api, own, attackers } = scenes.strict;
    const url = api.deps.config.API_DATABASE_URL;
    for (let round = 0; round < 10; round += 1) {
      await call(api, workflows.listWorkflows, { token: attackers.owner.insider, params: { orgId: own.orgId } });
      // Transactions that are open at the same time hold one server connection each: between them, all there are.
      const clients = await Promise.all(Array.from({ length: POOL_SIZE }, () => connect(url)));
      const backends = new Set<number>();
      for (const client of clients) {
        await client.query('BEGIN');
        const { rows } = await client.query(
          `SELECT pg_backend_pid() AS pid, coalesce(current_setting('app.current_org_id', true), '') AS context`,
        );
        expect(rows[0].context).toBe('');
        backends.add(rows[0].pid);
      }
      for (const client of clients) {
        const refused = await client.query('SELECT * FROM app.workflows').catch((error: unknown) => error);
        expect(sqlStateOf(refused)).toBe('WF001');
        await client.query('ROLLBACK');
        await client.end();
      }
      expect(backends.size).toBe(POOL_SIZE);
    }
  });
});

describe('through PgBouncer, cut off', () => {
  it('R7: a lost connection tells nothing of what is at work behind the pooler, and says that', async () => {
    const proxy = await startFaultProxy(bouncer.port);
    const url = new URL(scenes.strict.api.deps.config.API_DATABASE_URL);
    url.port = String(proxy.port);
    const settings = { url: url.href, poolSize: 2, prepared: false, applicationName: 'cut-off', onError() {} };
    const db = connectDatabase(settings);
    try {
      const lost = onConnection(db, (client) => client.query('SELECT pg_sleep(1)')).catch((error: unknown) => error);
      await eventually('the statement to be at work', async () => (await sleepers()) === 1);
      await proxy.setFault({ type: 'reset' });
      await proxy.setFault({ type: 'none' });
      expect(mayHaveCommitted(await lost)).toBe(true);
      expect(await endLostBackend(db, await lost)).toBe(false);
    } finally {
      await closeDatabase(db);
      await proxy.stop();
    }
  });
});

async function sleepers(): Promise<number> {
  const { rows } = await scenes.strict.admin.query(
    "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT pg_sleep(1)' AND state = 'active'",
  );
  return rows.length;
}

interface Side {
  tokens: string[];
  orgId: string;
  workflowId: string;
  endedRunId: string;
  /** Cancelled by the first call that asks for it, and answered as it is afterwards. */
  queuedRunId: string;
}

/** Reads and writes in turn, by a person and by a key. */
function mixedCall({ tokens, orgId, workflowId, endedRunId, queuedRunId }: Side, n: number) {
  const { api } = scenes.strict;
  const [person, key] = tokens;
  const reader = n % 2 === 0 ? person : key;
  const as = (token: string | undefined, params = {}) => ({ token: token ?? '', params: { orgId, ...params } });
  const calls = [
    () => call(api, workflows.listWorkflows, as(reader)),
    () => call(api, runs.getRun, as(reader, { workflowId, runId: endedRunId })),
    () => call(api, organizations.getOrganization, as(reader)),
    () => call(api, organizations.listMembers, as(reader)),
    () => call(api, workflows.createWorkflow, { ...as(person), body: { name: `Flow ${n}`, dsl: {} } }),
    () => call(api, workflows.getWorkflow, as(reader, { workflowId })),
    () => call(api, apiKeys.listApiKeys, as(person)),
    () => call(api, runs.listRuns, as(reader)),
    () => call(api, runs.cancelRun, as(person, { workflowId, runId: queuedRunId })),
  ];
  const chosen = calls[Math.floor(n / 2) % calls.length] as (typeof calls)[0];
  return chosen();
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {}); // what matters fails the query that is under way
  await client.connect();
  return client;
}
