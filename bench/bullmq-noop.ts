/** Child of the bench: a worker that does nothing, at the concurrency of ours; says when it has seen them all. */
import { Worker } from 'bullmq';

const [redisUrl = '', queueName = '', expected = '0'] = process.argv.slice(2);
let seen = 0;
const worker = new Worker(
  queueName,
  async () => {
    seen++;
    if (seen === Number(expected)) process.send?.('done');
  },
  { connection: { url: redisUrl, maxRetriesPerRequest: null }, concurrency: 50, autorun: false },
);
process.once('message', () => void worker.run());
process.once('disconnect', () => process.exit(0));
await worker.waitUntilReady();
process.send?.('ready');
