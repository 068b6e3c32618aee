import { Queue } from 'bullmq';

const ADDS = 2_000;
const ADDED_AT_ONCE = 500;

/** Jobs per second that are added one after the other behind so many waiting ones: plain, and with priorities as ranks. */
export async function measurePriorities(redisUrl: string, waiting: number) {
  const plain = await measureAdds(redisUrl, waiting, () => ({}));
  const prioritized = await measureAdds(redisUrl, waiting, (n) => ({ priority: 1 + n }));
  return { plain, prioritized };
}

async function measureAdds(redisUrl: string, waiting: number, options: (n: number) => object): Promise<number> {
  const queue = new Queue(`bench-priorities-${Date.now()}`, { connection: { url: redisUrl } });
  const job = (n: number) => ({ name: 'noop', data: { runId: crypto.randomUUID() }, opts: options(n) });
  try {
    for (let added = 0; added < waiting; added += ADDED_AT_ONCE) {
      await queue.addBulk(Array.from({ length: ADDED_AT_ONCE }, (_, n) => job(added + n)));
    }
    const startedAt = performance.now();
    for (let n = 0; n < ADDS; n += 1) await queue.add('noop', {}, options((n * 7919) % waiting));
    return (ADDS * 1000) / (performance.now() - startedAt);
  } finally {
    await queue.obliterate({ force: true });
    await queue.close();
  }
}
