import pg from 'pg';
import { type Client, signUp } from '../../bench/client.ts';
import { eventually } from '../../packages/queue/src/testing.ts';
import { type Api, preparePlatform, type TestPlatform } from '../platform.ts';
import { type DocumentName, ENDS, type Paths, publishAll, workflowIdOf } from './window-documents.ts';
import { startWindowEcho, type WindowEcho } from './window-echo.ts';

const SETTLED_MS = 240_000;

/** Runs that the narrow organization may have at work. */
export const MOST_AT_WORK = 6;
/** So many queued runs of an organization are admitted at a time. */
export const WINDOW = 16;

/** A healthy API, what programs are given to do before and while they are killed, and what has come of it. */
export interface WindowScene {
  platform: TestPlatform;
  admin: pg.Pool;
  api: Api;
  echo: WindowEcho;
  client: Client;
  /** Of the organization whose runs these are. */
  clients: Partial<Record<DocumentName, Client>>;
  paths: Paths;
  /** Starts a run with the healthy API and answers its id. */
  start(name: DocumentName, input?: object): Promise<string>;
  /** The same, once the run has this status. */
  startUntil(name: DocumentName, status: string): Promise<string>;
  /** Where requests go that start runs of this workflow. */
  hookOf(name: DocumentName): Promise<string>;
  stop(): Promise<void>;
}

export async function openWindowScene(): Promise<WindowScene> {
  const echo = await startWindowEcho();
  const platform = await preparePlatform({
    EGRESS_ALLOW_CIDRS: `127.0.0.1/32:${echo.port}`,
    ORG_ADMISSION_WINDOW: String(WINDOW),
    ACCESS_TOKEN_TTL_SEC: '86400',
  });
  const admin = new pg.Pool({ connectionString: platform.database.adminUrl, max: 4 });
  const stop = async () => {
    echo.close();
    await admin.end();
    await platform.stop();
  };
  try {
    const api = await platform.startApi();
    const [client, narrow, crowded] = [await signUp(api.url), await signUp(api.url), await signUp(api.url)];
    const limit = 'INSERT INTO app.org_run_limits (org_id, max_concurrent_runs) VALUES ($1, $2)';
    await admin.query(limit, [narrow.orgId, MOST_AT_WORK]);
    const paths = await publishAll({ client, narrow, crowded }, echo.url);
    const own = { ...{ platform, admin, api, echo, client, paths, stop }, clients: { narrow, crowded } };
    return { ...own, ...startersOf(own) };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Starters = Pick<WindowScene, 'start' | 'startUntil' | 'hookOf'>;

function startersOf({ admin, client, clients, paths }: Omit<WindowScene, keyof Starters>): Starters {
  const start = async (name: DocumentName, input: object = {}) => {
    const { run } = await (clients[name] ?? client).call('POST', paths[name], { input });
    return run?.id ?? '';
  };
  return {
    start,
    async startUntil(name, status) {
      const id = await start(name);
      const isReached = async () => (await statusOf(admin, id)) === status;
      await eventually(`a run of ${name} to be ${status}`, isReached, SETTLED_MS);
      return id;
    },
    async hookOf(name) {
      const { workflow } = await client.call('GET', `/workflows/${workflowIdOf(paths[name])}`);
      return new URL(workflow?.hookUrl ?? '').pathname;
    },
  };
}

async function statusOf(admin: pg.Pool, runId: string): Promise<string | undefined> {
  return (await admin.query('SELECT status FROM app.workflow_runs WHERE id = $1', [runId])).rows[0]?.status;
}

/** All runs end, and nobody has anything left to be told. What has its time is not waited for. */
export async function settle({ admin }: WindowScene): Promise<void> {
  await admin.query('UPDATE app.hook_deliveries SET next_sweep_at = now() WHERE next_sweep_at IS NOT NULL');
  await admin.query(
    `UPDATE app.workflow_runs SET next_attempt_at = now(), next_sweep_at = now()
     WHERE status = 'running' AND lease_until IS NULL AND next_attempt_at > now()`,
  );
  const isEmpty = async (query: string) => (await admin.query(query)).rows.length === 0;
  const rest = async (what: string, query: string) => eventually(what, () => isEmpty(query), SETTLED_MS);
  await rest('all runs to be made', 'SELECT FROM app.hook_deliveries WHERE next_sweep_at IS NOT NULL');
  await rest('all runs to end', 'SELECT FROM app.workflow_runs WHERE finished_at IS NULL');
  await rest('all places to be given on', 'SELECT FROM app.workflow_runs WHERE concurrency_key IS NOT NULL');
  await rest('all families to be told', 'SELECT FROM app.child_run_events');
}

/** How many runs there are, by the name of their workflow and their status. */
export async function countRuns({ admin, paths }: WindowScene): Promise<Record<string, number>> {
  const { rows } = await admin.query(
    'SELECT workflow_id AS id, status, count(*)::integer AS n FROM app.workflow_runs GROUP BY 1, 2',
  );
  const names = new Map(Object.entries(paths).map(([name, path]) => [workflowIdOf(path), name]));
  return Object.fromEntries(rows.map(({ id, status, n }) => [`${names.get(id) ?? id} ${status}`, n]));
}

/** What should be empty once all is settled: wrong ends, runs that were started twice, and steps that were. */
export async function findWrongs(scene: WindowScene) {
  const ofKnown = Object.keys(ENDS) as DocumentName[];
  const allowed = new Set(ofKnown.flatMap((name) => ENDS[name].map((status) => `${name} ${status}`)));
  const wrongEnds = Object.entries(await countRuns(scene)).filter(
    ([name]) => ofKnown.some((known) => name.startsWith(`${known} `)) && !allowed.has(name),
  );
  const doubled = await scene.admin.query(
    `SELECT parent_run_id, parent_step_key, retry_of_run_id, count(*) FROM app.workflow_runs
     WHERE parent_run_id IS NOT NULL OR retry_of_run_id IS NOT NULL GROUP BY 1, 2, 3 HAVING count(*) > 1`,
  );
  const withoutNewest = await scene.admin.query(
    `SELECT input ->> 'key' AS key FROM app.workflow_runs WHERE workflow_id = $1
     GROUP BY 1 HAVING count(*) FILTER (WHERE status = 'succeeded') = 0`,
    [workflowIdOf(scene.paths.newest)],
  );
  return { wrongEnds, doubled: doubled.rows, withoutNewest: withoutNewest.rows, repeated: await findRepeated(scene) };
}

export const NO_WRONGS = { wrongEnds: [], doubled: [], withoutNewest: [], repeated: [] };

/** Requests to webhooks, and the runs that were made of them. */
export async function countDeliveries({ admin }: WindowScene): Promise<{ deliveries: number; runs: number }> {
  const { rows } = await admin.query(
    `SELECT (SELECT count(*)::integer FROM app.hook_deliveries) AS deliveries,
       (SELECT count(*)::integer FROM app.workflow_runs WHERE trigger_type = 'trigger.webhook' AND status = 'succeeded') AS runs`,
  );
  return rows[0];
}

/** Calls of a step that came after its end was recorded. */
async function findRepeated({ admin, echo }: WindowScene): Promise<string[]> {
  const { rows } = await admin.query<{ key: string; at: number }>(
    `SELECT run_id || ':' || step_key AS key, extract(epoch FROM finished_at)::float8 * 1000 AS at
     FROM app.workflow_run_steps WHERE status = 'succeeded'`,
  );
  const ends = new Map(rows.map(({ key, at }) => [key, at]));
  return echo.calls.filter(({ key, at }) => at > (ends.get(key) ?? Number.POSITIVE_INFINITY) + 1).map(({ key }) => key);
}
