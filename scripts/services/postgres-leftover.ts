import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError } from './failure.ts';
import { stopLeftover } from './managed-process.ts';
import { becomesTrue, commandLineOf, identifyProcess, processesIn, sendSignal } from './process-identity.ts';

/** Fast shutdown, then immediate, then none: each with the time it gets before the next. */
const ESCALATION: [NodeJS.Signals, number][] = [
  ['SIGINT', 20_000],
  ['SIGQUIT', 5_000],
  ['SIGKILL', 5_000],
];

/**
 * Makes sure that no PostgreSQL runs on this data folder and that no stale postmaster.pid keeps the next one from
 * starting (its pid may belong to a stranger by now). Says whether one was still running.
 */
export async function stopLeftoverPostgres(runDir: string, dataDir: string): Promise<boolean> {
  const wasNoted = await stopLeftover(runDir, 'PostgreSQL', 'SIGINT');
  const pidFile = join(dataDir, 'postmaster.pid');
  if (!existsSync(pidFile)) return wasNoted;
  const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
  const isOurs = () => identifyProcess(pid) !== undefined && commandLineOf(pid).includes(dataDir);
  const wasRunning = isOurs();
  for (const [signal, patienceMs] of ESCALATION) {
    if (!isOurs()) break;
    sendSignal(pid, signal);
    await becomesTrue(() => !isOurs(), patienceMs);
  }
  await endOrphanedSessions(dataDir);
  if (isOurs())
    throw new SetupError(`PostgreSQL of an earlier start (pid ${pid}) does not end; stop it and try again.`);
  rmSync(pidFile, { force: true });
  return wasNoted || wasRunning;
}

/**
 * Sessions of a killed server notice it within moments, but not in the middle of a long statement. Removing
 * postmaster.pid takes away PostgreSQL's own check for them, and two servers on the same files destroy them.
 */
async function endOrphanedSessions(dataDir: string): Promise<void> {
  if (await becomesTrue(() => processesIn(dataDir).length === 0, 5_000)) return;
  for (const pid of processesIn(dataDir)) sendSignal(pid, 'SIGKILL');
  if (await becomesTrue(() => processesIn(dataDir).length === 0, 5_000)) return;
  throw new SetupError(`Processes of an earlier PostgreSQL still use ${dataDir}: ${processesIn(dataDir).join(', ')}.`);
}
