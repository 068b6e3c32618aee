import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openQueue } from '../packages/queue/src/queue.ts';

/**
 * How many wake-ups stand in a queue: `node scripts/queue-status.ts [--queue name] [--drained]`, on the Redis of `REDIS_URL`.
 * Exit code 0; with --drained 1 while wake-ups wait or are worked on; 2 when Redis cannot be used. Wake-ups are not runs:
 * PostgreSQL knows those.
 */
const CONNECT_MS = 2_000;

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      queue: { type: 'string', default: process.env.WORKFLOW_QUEUE_NAME || 'workflow-runs' },
      drained: { type: 'boolean', default: false },
    },
  });
  const redisUrl = process.env.REDIS_URL;
  if (!redisUrl) throw new Error('Set REDIS_URL to the Redis of the queue.');
  const queue = openQueue({ redisUrl, queueName: values.queue });
  try {
    for (const deadline = Date.now() + CONNECT_MS; Date.now() < deadline && !(await queue.isReady()); ) await pause(50);
    const { waiting = 0, active = 0, delayed = 0 } = await queue.countJobs();
    console.log(`${values.queue}: ${waiting} waiting, ${active} active, ${delayed} delayed`);
    return values.drained && waiting + active > 0 ? 1 : 0;
  } finally {
    await queue.close();
  }
}
