import { measureParts, togetherMib, type Usage } from './process-usage.ts';

const EVERY_MS = 250;

interface Memory {
  togetherMib: number;
  rssMib: number;
}

/** What these parts take at this moment, with their child processes. */
export function memoryOf(parts: Usage[], names: string[]): Memory {
  const chosen = parts.filter(({ name }) => names.includes(name));
  return { togetherMib: togetherMib(chosen), rssMib: chosen.reduce((sum, { rssMib }) => sum + rssMib, 0) };
}

/** Looks at these parts until it is stopped; answers the most that was seen. */
export function watchMemory(names: string[]): { stop(): Memory } {
  const most: Memory = { togetherMib: 0, rssMib: 0 };
  const look = () => {
    const now = memoryOf(measureParts(), names);
    most.togetherMib = Math.max(most.togetherMib, now.togetherMib);
    most.rssMib = Math.max(most.rssMib, now.rssMib);
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
