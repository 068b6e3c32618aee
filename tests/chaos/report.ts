import type { Load } from './load.ts';
import type { Verdict } from './verdict.ts';

/** What `npm run chaos` prints while it goes on; in a test run nothing. */
export function show(line: string): void {
  if (process.env.CHAOS_SHOW) process.stdout.write(`${new Date().toISOString()} ${line}\n`);
}

/** Of each kind so many as one can read: ids of runs, numbers of calls and what is wrong with them. */
const MOST_SHOWN = 20;

export function showViolations(violations: Verdict): void {
  for (const [name, found] of Object.entries(violations) as [string, string[]][]) {
    if (found.length === 0) continue;
    show(`VIOLATION ${name}: ${found.length}`);
    for (const one of found.slice(0, MOST_SHOWN)) show(`  ${one}`);
  }
}

export interface Measured {
  seed: number;
  done: readonly string[];
  load: Load;
  settledMs: number;
  wholePaths: number;
  violations: Verdict;
}

/** All figures in one line. */
export function measuredOf({ seed, done, load, settledMs, wholePaths, violations }: Measured): string {
  const answers = Object.groupBy(load.answers, ({ status }) => String(status));
  const share = load.acceptedCount() / load.answers.length;
  const { lost, doubled, leftBehind, repeated, illegalPaths, unexplained503, oddAnswers } = violations;
  return [
    `seed ${seed}`,
    `${done.length} faults of ${new Set(done).size} kinds (${countOf(done)})`,
    `${load.acceptedCount()} of ${load.answers.length} accepted (${(share * 100).toFixed(0)} %)`,
    `${answers['503']?.length ?? 0} x 503, ${answers.none?.length ?? 0} without an answer, ${answers.unknown?.length ?? 0} unknown`,
    `settled ${(settledMs / 1000).toFixed(0)} s after the backlog`,
    `${wholePaths} whole event paths, ${illegalPaths.length} illegal`,
    `${lost.length} lost, ${doubled.length} doubled, ${leftBehind.length} left behind, ${repeated.length} steps repeated`,
    `${unexplained503.length} unexplained 503, ${oddAnswers.length} odd answers`,
  ].join(', ');
}

/** Each kind with how often it was done. */
export function countOf(done: readonly string[]): string {
  const kinds = Object.entries(Object.groupBy(done, (kind) => kind));
  return kinds.map(([kind, times]) => `${kind} ${times?.length}`).join(', ');
}
