import { setTimeout as delay } from 'node:timers/promises';
import autocannon from 'autocannon';
import type { Client } from './client.ts';
import type { Stack } from './stack.ts';
import { percentile } from './table.ts';
import { runInput } from './workflows.ts';

const DRAIN_DEADLINE_MS = 120_000;

/** Posts runs as fast as answers come, on many connections. */
export function saturate(stack: Stack, client: Client, path: string, options: Partial<autocannon.Options>) {
  return autocannon({
    url: `${stack.apiUrl}${client.orgPath}${path}`,
    method: 'POST',
    headers: client.headers,
    body: JSON.stringify({ input: runInput }),
    ...options,
  });
}

/** Waits until no run is on its way. */
export async function drained(stack: Stack): Promise<void> {
  for (const deadline = Date.now() + DRAIN_DEADLINE_MS; Date.now() < deadline; await delay(100)) {
    // As the index of open runs asks it: a look at the whole table each time was a fifth of PostgreSQL's work.
    const { rows } = await stack.admin.query('SELECT FROM app.workflow_runs WHERE finished_at IS NULL LIMIT 1');
    if (rows.length === 0) return;
  }
  throw new Error('the backlog did not drain');
}

export interface QuietFigures {
  reply: Span;
  /** By the database's clock. */
  toStart: Span;
  toEnd: Span;
}

interface Span {
  p50: number;
  p95: number;
  p99: number;
}

/** Few runs a second, each posted at its time whatever became of the one before (open loop). */
export async function measureQuiet(
  stack: Stack,
  client: Client,
  path: string,
  { seconds, perSecond }: { seconds: number; perSecond: number },
): Promise<QuietFigures> {
  const from = new Date();
  const replies: Promise<number>[] = [];
  const startedAt = performance.now();
  for (let sent = 0; sent < seconds * perSecond; sent++) {
    await delay(Math.max(startedAt + (sent * 1000) / perSecond - performance.now(), 0));
    replies.push(timeOnePost(stack, client, path));
  }
  const times = await Promise.all(replies);
  await drained(stack);
  const { rows } = await stack.admin.query<{ toStart: number; toEnd: number }>(
    `SELECT extract(epoch FROM started_at - created_at)::float8 * 1000 AS "toStart",
       extract(epoch FROM finished_at - created_at)::float8 * 1000 AS "toEnd"
     FROM app.workflow_runs WHERE created_at >= $1 AND status = 'succeeded'`,
    [from],
  );
  if (rows.length !== times.length) throw new Error(`${times.length} runs were posted, ${rows.length} succeeded`);
  return {
    reply: spanOf(times),
    toStart: spanOf(rows.map((row) => row.toStart)),
    toEnd: spanOf(rows.map((row) => row.toEnd)),
  };
}

async function timeOnePost(_stack: Stack, client: Client, path: string): Promise<number> {
  const startedAt = performance.now();
  await client.call('POST', path, { input: runInput });
  return performance.now() - startedAt;
}

function spanOf(values: number[]): Span {
  return { p50: percentile(values, 0.5), p95: percentile(values, 0.95), p99: percentile(values, 0.99) };
}
