import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SetupError } from '../services/failure.ts';
import { takeLock } from '../services/process-note.ts';

/** A start whose terminal or npm was killed notices it within a second and then stops by itself. */
const NOTICE_MS = 3_000;
/** How long a start that is stopping may take. */
const STOP_MS = 30_000;

export interface DataLock {
  /** Lets another start wait for the end of this one instead of giving up. */
  announceStop: () => void;
  release: () => void;
}

/** Keeps other starts off this data folder. Throws SetupError, naming the holder, when one is running and stays. */
export async function lockDataDir(dataDir: string, say: (line: string) => void): Promise<DataLock> {
  const file = join(dataDir, 'lock');
  const stoppingFile = join(dataDir, 'lock.stopping');
  const started = Date.now();
  let hasSaid = false;
  for (let holder = takeLock(file); holder; holder = takeLock(file)) {
    const isStopping = readText(stoppingFile) === String(holder.pid);
    if (Date.now() - started > (isStopping ? STOP_MS : NOTICE_MS)) throw refusal(dataDir, holder.pid);
    if (isStopping && !hasSaid) say(`Waiting for an earlier start (pid ${holder.pid}) to finish stopping.`);
    hasSaid ||= isStopping;
    await delay(100);
  }
  return {
    announceStop: () => writeFileSync(stoppingFile, String(process.pid), { mode: 0o600 }),
    release: () => {
      rmSync(stoppingFile, { force: true });
      rmSync(file, { force: true });
    },
  };
}

function refusal(dataDir: string, pid: number): SetupError {
  return new SetupError(
    `Millrace is running on ${dataDir} already (pid ${pid}). Stop it first, or set MILLRACE_DATA_DIR.`,
  );
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
