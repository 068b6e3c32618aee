import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { SetupError } from './failure.ts';
import type { ServiceUser } from './host.ts';
import { becomesTrue, sendSignal } from './process-identity.ts';
import { describeProcess, findLiving } from './process-note.ts';

const LARGEST_LOG_BYTES = 5 * 1024 * 1024;

export interface ProcessSettings {
  name: string;
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
  /** Run as this user instead of ours. */
  user?: ServiceUser | undefined;
  /** Where notes about running processes are kept, for finding them again after a crash. */
  runDir: string;
  logFile: string;
}

export interface ManagedProcess {
  name: string;
  pid: number;
  logFile: string;
  /** What it and its children have written to the log so far. */
  readOwnLog: () => string;
  /** Settles when the process has ended, with how it ended in words. */
  ended: Promise<string>;
  isRunning: () => boolean;
}

const living = new Set<ManagedProcess>();

/**
 * Starts a program in a session of its own, so that Ctrl-C in the terminal reaches only us and we stop things in order.
 * Output is appended to `logFile`. Leaves a note in `runDir` until the process ends. Throws when it cannot be started.
 */
export async function startProcess(settings: ProcessSettings): Promise<ManagedProcess> {
  const { child, logStart } = await spawnDetached(settings);
  const pid = child.pid;
  if (pid === undefined) throw new SetupError(`${settings.name} could not be started: ${settings.command}`);
  const note = noteFile(settings.runDir, settings.name);
  writeFileSync(note, describeProcess(pid), { mode: 0o600 });
  const { promise: ended, resolve: end } = Promise.withResolvers<string>();
  const isRunning = () => living.has(managed);
  const managed: ManagedProcess = {
    ...{ name: settings.name, pid, logFile: settings.logFile, ended, isRunning },
    readOwnLog: () => readFrom(settings.logFile, logStart),
  };
  living.add(managed);
  child.once('exit', (code, signal) => {
    living.delete(managed);
    rmSync(note, { force: true });
    end(signal === null ? `code ${code}` : `signal ${signal}`);
  });
  return managed;
}

/** Everything started by this process that has not ended, the newest first; also what is not ready yet. */
export function livingProcesses(): ManagedProcess[] {
  return [...living].reverse();
}

/** Asks a process to end; after `graceMs` it is killed, with everything in its process group. */
export async function stopProcess(managed: ManagedProcess, signal: NodeJS.Signals, graceMs: number): Promise<void> {
  if (managed.isRunning()) {
    sendSignal(managed.pid, signal);
    if (!(await becomesTrue(() => !managed.isRunning(), graceMs))) sendSignal(managed.pid, 'SIGKILL');
    await managed.ended;
  }
  sendSignal(-managed.pid, 'SIGKILL');
}

/** Ends at once, without waiting: for the second Ctrl-C and for crashes of our own. */
export function killProcess(managed: ManagedProcess, signal: NodeJS.Signals): void {
  if (managed.isRunning()) sendSignal(managed.pid, signal);
}

/** Stops a process that an earlier start left behind when it was killed; says whether there was one. */
export async function stopLeftover(runDir: string, name: string, signal: NodeJS.Signals): Promise<boolean> {
  const file = noteFile(runDir, name);
  // The note keeps us from ever signalling a stranger that has been given the same pid.
  const found = findLiving(file);
  if (found) {
    const isGone = () => findLiving(file) === undefined;
    sendSignal(found.pid, signal);
    if (!(await becomesTrue(isGone, 10_000))) sendSignal(found.pid, 'SIGKILL');
    if (!(await becomesTrue(isGone, 5_000))) {
      throw new SetupError(`${name} of an earlier start (pid ${found.pid}) does not end; stop it and try again.`);
    }
    sendSignal(-found.pid, 'SIGKILL');
  }
  rmSync(file, { force: true });
  return found !== undefined;
}

/** The last lines of a log file, for showing with a failure. */
export function lastLines(logFile: string, count: number): string {
  if (!existsSync(logFile)) return '';
  return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
}

/** From this byte on; a log that somebody has cut since is read from its beginning. */
function readFrom(logFile: string, start: number): string {
  const bytes = readFileSync(logFile);
  return bytes.subarray(start <= bytes.length ? start : 0).toString('utf8');
}

async function spawnDetached(settings: ProcessSettings): Promise<{ child: ChildProcess; logStart: number }> {
  rotateLog(settings.logFile);
  const log = openSync(settings.logFile, 'a', 0o600);
  const logStart = fstatSync(log).size;
  try {
    const child = spawn(settings.command, settings.args, {
      cwd: settings.cwd,
      env: settings.env,
      detached: true,
      stdio: ['ignore', log, log],
      ...(settings.user && { uid: settings.user.uid, gid: settings.user.gid }),
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) => reject(new SetupError(`${settings.name} could not be started: ${error.message}`)));
    });
    return { child, logStart };
  } finally {
    closeSync(log);
  }
}

function rotateLog(logFile: string): void {
  if (!existsSync(logFile) || statSync(logFile).size < LARGEST_LOG_BYTES) return;
  renameSync(logFile, `${logFile}.1`);
}

function noteFile(runDir: string, name: string): string {
  return join(runDir, `${name.toLowerCase()}.json`);
}
