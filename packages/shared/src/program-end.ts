import { type EventLog, programFailed, programStopping } from './events.ts';
import { messageOf } from './message-of.ts';

/**
 * Ends this process once it gets SIGTERM or SIGINT: by `end`, with code 0, or with 1 when that fails or takes longer than
 * `withinMs`. Ctrl-C reaches a process twice, from the terminal and from whoever started it: only the first signal counts.
 */
export function endOnSignal(log: EventLog, { withinMs, end }: { withinMs: number; end: () => Promise<void> }): void {
  let isEnding = false;
  const onSignal = async (signal: NodeJS.Signals) => {
    if (isEnding) return;
    isEnding = true;
    programStopping(log, { signal });
    const late = setTimeout(() => process.exit(failWith(log, `it did not end within ${withinMs} ms`)), withinMs);
    const code = await end().then(
      () => 0,
      (error) => failWith(log, error),
    );
    clearTimeout(late);
    process.exit(code);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

/** Tells why the program ends and answers its exit code. */
export function failWith(log: EventLog, error: unknown): 1 {
  programFailed(log, { error: messageOf(error) });
  return 1;
}
