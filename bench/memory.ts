import { measureParts } from './process-usage.ts';

const EVERY_MS = 250;

/** Looks at the resident memory of these parts with their child processes, until it is stopped: answers the most, in MiB. */
export function watchMemory(names: string[]): { stop(): number } {
  let most = 0;
  const look = () => {
    const parts = measureParts().filter(({ name }) => names.includes(name));
    most = Math.max(
      most,
      parts.reduce((sum, { rssMib }) => sum + rssMib, 0),
    );
  };
  const timer = setInterval(look, EVERY_MS);
  return {
    stop() {
      clearInterval(timer);
      look();
      return most;
    },
  };
}
