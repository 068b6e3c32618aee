import type { Redis } from 'ioredis';

/**
 * Sends the commands that one turn of the event loop brings forth as one write, in their order. Jobs end in bunches, and each
 * write of its own is a call into the kernel and wakes the server up. ioredis' `enableAutoPipelining` is something else: it
 * holds the next bunch back until the last one is answered, which costs a third of the throughput here.
 */
export function gatherWrites(redis: Redis): void {
  // A new socket after each reconnect.
  redis.on('connect', () => {
    const { stream } = redis;
    const write = stream.write.bind(stream);
    let isGathering = false;
    function gather(): void {
      if (isGathering) return;
      isGathering = true;
      stream.cork();
      process.nextTick(() => {
        isGathering = false;
        stream.uncork();
      });
    }
    stream.write = ((...args: Parameters<typeof write>) => {
      gather();
      return write(...args);
    }) as typeof stream.write;
  });
}
