import pg from 'pg';
import { SetupError } from '../services/failure.ts';
import { type LimitChanges, parseLimitArguments } from './arguments.ts';

interface Command {
  args: string[];
  /** Of the owner's login; asked for only when it is needed. */
  findDatabase: () => string;
  say: (line: string) => void;
}

/** Changes and shows the limits of an organization. They hold for the next claim or accept. Throws SetupError. */
export async function runLimits({ args, findDatabase, say }: Command): Promise<void> {
  const { slug, changes, help } = parseLimitArguments(args);
  if (help !== undefined) {
    say(help);
    return;
  }
  const client = new pg.Client({ connectionString: findDatabase() });
  await client.connect();
  try {
    const orgId = await findOrganization(client, slug);
    await change(client, orgId, changes);
    const { rows } = await client.query('SELECT * FROM app.org_run_limits WHERE org_id = $1', [orgId]);
    const { max_concurrent_runs: concurrent, max_queued_runs: queued, weight } = rows[0] ?? { weight: 1 };
    say(
      `${slug}: ${concurrent ?? 'any number of'} concurrent runs, ${queued ?? 'the default of'} queued runs, weight ${weight}`,
    );
  } finally {
    await client.end();
  }
}

async function findOrganization(client: pg.Client, slug: string): Promise<string> {
  const { rows } = await client.query<{ id: string }>('SELECT id FROM app.organizations WHERE slug = $1', [slug]);
  if (rows[0]) return rows[0].id;
  throw new SetupError(`There is no organization ${slug}, or the login of DATABASE_URL is not the owner's.`);
}

async function change(client: pg.Client, orgId: string, changes: LimitChanges): Promise<void> {
  const columns = Object.entries({
    max_concurrent_runs: changes.maxConcurrentRuns,
    max_queued_runs: changes.maxQueuedRuns,
    weight: changes.weight,
  }).filter(([, value]) => value !== undefined);
  if (columns.length === 0) return;
  const names = columns.map(([name]) => name).join(', ');
  const places = columns.map((_, n) => `$${n + 2}`).join(', ');
  const set = columns.map(([name]) => `${name} = EXCLUDED.${name}`).join(', ');
  await client.query(
    `INSERT INTO app.org_run_limits (org_id, ${names}) VALUES ($1, ${places}) ON CONFLICT (org_id) DO UPDATE SET ${set}`,
    [orgId, ...columns.map(([, value]) => value)],
  );
}
