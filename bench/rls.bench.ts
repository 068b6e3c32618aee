/**
 * What row-level security costs: the transaction of `withOrg` on a table under our policies, beside the same statements on
 * an identical table without them. `npm run bench -- rls`; takes about half a minute, most of it filling tables.
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { migrateDatabase } from '../packages/db/src/migrate.ts';
import { fillTables, ORGS } from './rls-tables.ts';
import { type Stack, startStack } from './stack.ts';
import { median, percentile, printTable } from './table.ts';

const DATABASE = 'bench_rls';
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 60);
/** A few at a time and in turn: what else goes on at the machine then falls on both sides alike. */
const TRANSACTIONS_A_TURN = 50;

interface Sample {
  orgId: string;
  runId: string;
  workflowId: string;
}
type Table = 'app' | 'plain';
interface Work {
  text: (table: Table) => string;
  values: (sample: Sample) => unknown[];
}

const WORK: Record<string, Work> = {
  'point read': {
    text: (table) => `SELECT id, status, input, output FROM ${table}.workflow_runs WHERE org_id = $1 AND id = $2`,
    values: ({ orgId, runId }) => [orgId, runId],
  },
  'list of 50': {
    text: (table) => `SELECT id, status, input, output FROM ${table}.workflow_runs WHERE org_id = $1
      ORDER BY created_at DESC, id DESC LIMIT 50`,
    values: ({ orgId }) => [orgId],
  },
  insert: {
    text: (table) => `INSERT INTO ${table}.workflow_runs (org_id, id, workflow_id, version, trigger_type, input)
      VALUES ($1, $2, $3, 1, 'trigger.manual', '{"total": 3}')`,
    values: ({ orgId, workflowId }) => [orgId, randomUUID(), workflowId],
  },
};

const stack = await startStack();
try {
  await withTables(stack, measureAll);
} finally {
  await stack.stop();
}

async function withTables(stack: Stack, use: (client: pg.Client, samples: Sample[]) => Promise<void>): Promise<void> {
  await stack.admin.query(`DROP DATABASE IF EXISTS ${DATABASE} WITH (FORCE)`);
  await stack.admin.query(`CREATE DATABASE ${DATABASE}`);
  const url = new URL(stack.databaseUrl);
  url.pathname = `/${DATABASE}`;
  await migrateDatabase({ url: url.href });
  const admin = new pg.Client(url.href);
  const client = new pg.Client(url.href);
  await Promise.all([admin.connect(), client.connect()]);
  try {
    const started = performance.now();
    await fillTables(admin);
    console.log(
      `\nTwice a million runs of ${ORGS} organizations in ${((performance.now() - started) / 1000).toFixed(0)} s.`,
    );
    // The login of the API, as far as policies and grants can tell.
    await client.query('SET SESSION AUTHORIZATION app_api');
    const { rows } = await admin.query<Sample>(
      `SELECT org_id AS "orgId", id AS "runId", workflow_id AS "workflowId"
       FROM app.workflow_runs TABLESAMPLE SYSTEM (1) ORDER BY random() LIMIT 2000`,
    );
    await use(client, rows);
  } finally {
    await Promise.all([admin.end(), client.end()]);
    await stack.admin.query(`DROP DATABASE ${DATABASE} WITH (FORCE)`);
  }
}

async function measureAll(client: pg.Client, samples: Sample[]): Promise<void> {
  await assertPoliciesBind(client, samples);
  const rows = [];
  for (const [name, work] of Object.entries(WORK)) rows.push(await compare(client, name, work, samples));
  console.log(`\nOne transaction of BEGIN, set_config, query, COMMIT, one at a time; median of ${ROUNDS} turns each`);
  console.log(`of ${TRANSACTIONS_A_TURN} transactions, in turn (lowest quarter to highest quarter)`);
  printTable([['', 'without policies us', 'with policies us', 'policies cost'], ...rows]);
}

/** A figure for policies that do not apply would be worth nothing. */
async function assertPoliciesBind(client: pg.Client, [one, ...others]: Sample[]): Promise<void> {
  const foreign = others.find(({ orgId }) => orgId !== one?.orgId);
  const seen = async (table: Table) => {
    await client.query('BEGIN');
    await client.query(`SELECT set_config('app.current_org_id', $1, true)`, [one?.orgId]);
    const { rowCount } = await client.query(`SELECT FROM ${table}.workflow_runs WHERE id = $1`, [foreign?.runId]);
    await client.query('COMMIT');
    return rowCount;
  };
  if ((await seen('app')) !== 0 || (await seen('plain')) !== 1) throw new Error('the policies do not bind as expected');
}

async function compare(client: pg.Client, name: string, work: Work, samples: Sample[]): Promise<string[]> {
  const times: Record<Table, number[]> = { plain: [], app: [] };
  for (const table of ['plain', 'app'] as const) await turn(client, name, table, work, samples, 0); // plans and caches
  for (let round = 0; round < ROUNDS; round++)
    for (const table of round % 2 === 0 ? (['plain', 'app'] as const) : (['app', 'plain'] as const))
      times[table].push(await turn(client, name, table, work, samples, round));
  const show = (all: number[]) =>
    `${median(all).toFixed(0)} (${[0.25, 0.75].map((p) => percentile(all, p).toFixed(0)).join(' to ')})`;
  const cost = 100 * (median(times.app) / median(times.plain) - 1);
  return [name, show(times.plain), show(times.app), `${cost.toFixed(1)} %`];
}

/** Microseconds a transaction, the mean of one turn. */
async function turn(client: pg.Client, name: string, table: Table, work: Work, samples: Sample[], round: number) {
  const text = work.text(table);
  const started = performance.now();
  for (let index = 0; index < TRANSACTIONS_A_TURN; index++) {
    const sample = samples[(round * TRANSACTIONS_A_TURN + index) % samples.length] as Sample;
    await client.query('BEGIN');
    await client.query({
      name: 'org',
      text: `SELECT set_config('app.current_org_id', $1, true)`,
      values: [sample.orgId],
    });
    await client.query({ name: `${name} ${table}`, text, values: work.values(sample) });
    await client.query('COMMIT');
  }
  return ((performance.now() - started) * 1000) / TRANSACTIONS_A_TURN;
}
