import { setTimeout as delay } from 'node:timers/promises';
import autocannon from 'autocannon';
import type { Client } from './client.ts';
import type { Stack } from './stack.ts';
import { runInput } from './workflows.ts';

const CONNECTIONS = 50;
const DRAIN_DEADLINE_MS = 120_000;

/** Posts runs as fast as answers come, lets the backlog drain, and answers how many ended a second by the database's clock. */
export async function measureCompleted(stack: Stack, client: Client, path: string, seconds: number): Promise<number> {
  const { rows: clock } = await stack.admin.query<{ now: Date }>('SELECT now()');
  const result = await autocannon({
    url: `${stack.apiUrl}${client.orgPath}${path}`,
    method: 'POST',
    headers: client.headers,
    body: JSON.stringify({ input: runInput }),
    connections: CONNECTIONS,
    duration: seconds,
  });
  await untilDrained(stack);
  const { rows } = await stack.admin.query<{ rate: number; failed: number }>(
    `SELECT count(*) FILTER (WHERE status <> 'succeeded')::integer AS failed,
       (count(*) / extract(epoch FROM max(finished_at) - min(created_at)))::float8 AS rate
     FROM app.workflow_runs WHERE created_at >= $1`,
    [clock[0]?.now],
  );
  const { rate = 0, failed = 0 } = rows[0] ?? {};
  if (failed > 0 || result.non2xx > 0) throw new Error(`${failed} runs failed, ${result.non2xx} requests were refused`);
  return rate;
}

async function untilDrained(stack: Stack): Promise<void> {
  for (const deadline = Date.now() + DRAIN_DEADLINE_MS; Date.now() < deadline; await delay(100)) {
    const { rows } = await stack.admin.query('SELECT FROM app.workflow_runs WHERE finished_at IS NULL LIMIT 1');
    if (rows.length === 0) return;
  }
  throw new Error('the backlog did not drain');
}
