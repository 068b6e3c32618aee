import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Queue } from 'bullmq';

const JOBS = 10_000;
const ADDED_AT_ONCE = 500;

/** Raw BullMQ on the same Redis: no-op jobs per second that one worker process drains from a full queue. */
export async function measureBullmq(redisUrl: string): Promise<number> {
  const queueName = `bench-noop-${Date.now()}`;
  const queue = new Queue(queueName, { connection: { url: redisUrl }, defaultJobOptions: { removeOnComplete: true } });
  const job = { name: 'noop', data: { orgId: crypto.randomUUID(), runId: crypto.randomUUID() } };
  for (let added = 0; added < JOBS; added += ADDED_AT_ONCE) await queue.addBulk(Array(ADDED_AT_ONCE).fill(job));
  const worker = fork(join(import.meta.dirname, 'bullmq-noop.ts'), [redisUrl, queueName, String(JOBS)]);
  try {
    await once(worker, 'message');
    const startedAt = performance.now();
    worker.send('go');
    await once(worker, 'message');
    return (JOBS * 1000) / (performance.now() - startedAt);
  } finally {
    worker.kill('SIGKILL');
    await queue.obliterate({ force: true });
    await queue.close();
  }
}
