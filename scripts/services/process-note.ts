import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { identifyProcess } from './process-identity.ts';

/** A file that names one process, so that a later start can tell whether it still lives. */
export interface ProcessNote {
  pid: number;
  identity: string;
}

export function describeProcess(pid: number): string {
  return JSON.stringify({ pid, identity: identifyProcess(pid) ?? '' });
}

/** The process named in the file, if that very process (not a later one with its pid) is alive. */
export function findLiving(file: string): ProcessNote | undefined {
  const note = readNote(file);
  return note !== undefined && identifyProcess(note.pid) === note.identity ? note : undefined;
}

/**
 * Takes the lock for this process: undefined when it is ours now, else the live holder. The lock of a dead process is no
 * obstacle. Frees itself when its holder dies, and by `rmSync` before.
 */
export function takeLock(file: string): ProcessNote | undefined {
  for (;;) {
    const own = `${file}.${process.pid}`;
    writeFileSync(own, describeProcess(process.pid), { mode: 0o600 });
    const isTaken = linkUnlessExists(own, file);
    rmSync(own, { force: true });
    if (isTaken) return undefined;
    const holder = findLiving(file);
    if (holder) return holder;
    setAside(file);
  }
}

/** Two starts may find the same dead lock: whoever moves away what turns out to be a live one puts it back. */
function setAside(file: string): void {
  const aside = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  if (findLiving(aside)) linkUnlessExists(aside, file);
  rmSync(aside, { force: true });
}

function linkUnlessExists(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

function readNote(file: string): ProcessNote | undefined {
  try {
    const note: unknown = JSON.parse(readFileSync(file, 'utf8'));
    const isNote = typeof note === 'object' && note !== null && 'pid' in note && 'identity' in note;
    return isNote ? { pid: Number(note.pid), identity: String(note.identity) } : undefined;
  } catch {
    return undefined;
  }
}
