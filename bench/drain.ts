import autocannon from 'autocannon';
import { Queue } from 'bullmq';
import type { Client } from './client.ts';
import { drained } from './load.ts';
import { measureParts, type Usage } from './process-usage.ts';
import type { Stack } from './stack.ts';
import { runInput } from './workflows.ts';

export interface DrainFigures {
  runsPerSecond: number;
  cpuMsPerRun: number;
}

/**
 * Runs that all stand in the queue before a worker may begin: what the workers do when the API does nothing. `others` are
 * workers beside the one of the stack.
 */
export async function measureDrain(
  stack: Stack,
  client: Client,
  path: string,
  { runs, others = [] }: { runs: number; others?: { name: string; pid: number }[] },
): Promise<DrainFigures> {
  const queue = new Queue(stack.queueName, { connection: { url: stack.redisUrl } });
  try {
    await queue.pause();
    const from = new Date();
    await post(stack, client, path, runs);
    const before = measureParts(others);
    await queue.resume();
    await drained(stack);
    const cpuMs = sumCpu(measureParts(others)) - sumCpu(before);
    const { rows } = await stack.admin.query<{ succeeded: number; seconds: number }>(
      `SELECT count(*) FILTER (WHERE status = 'succeeded')::int AS succeeded,
         extract(epoch FROM max(finished_at) - min(started_at))::float8 AS seconds
       FROM app.workflow_runs WHERE created_at >= $1`,
      [from],
    );
    const { succeeded = 0, seconds = 1 } = rows[0] ?? {};
    if (succeeded < runs) throw new Error(`${runs} runs were posted, ${succeeded} succeeded`);
    return { runsPerSecond: succeeded / seconds, cpuMsPerRun: cpuMs / succeeded };
  } finally {
    await queue.resume();
    await queue.close();
  }
}

async function post(stack: Stack, client: Client, path: string, amount: number): Promise<void> {
  const result = await autocannon({
    url: `${stack.apiUrl}${client.orgPath}${path}`,
    method: 'POST',
    headers: client.headers,
    body: JSON.stringify({ input: runInput }),
    connections: 50,
    amount,
  });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${result.non2xx} requests were refused, ${result.errors} failed`);
}

function sumCpu(parts: Usage[]): number {
  return parts.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
}
