import { setTimeout as delay } from 'node:timers/promises';
import { SetupError } from '../services/failure.ts';
import {
  killProcess,
  lastLines,
  livingProcesses,
  type ManagedProcess,
  stopProcess,
} from '../services/managed-process.ts';

/** Pauses before starting again what ended by itself, in milliseconds; the last one repeats. */
const BACKOFF_MS = [500, 1_000, 2_000, 5_000, 10_000, 30_000];
/** A process that lived this long has recovered: the next end counts as the first again. */
const HEALTHY_MS = 60_000;
const MOST_FAILURES = 10;
const UNREADY_STOP_MS = 10_000;

export interface Running {
  process: ManagedProcess;
  stop: () => Promise<void>;
}

export interface Supervisor {
  /**
   * Starts a part and keeps it running: when it ends by itself, `restart` is called, with growing pauses. A part that
   * keeps failing gives up everything.
   */
  launch: <T extends Running>(name: string, start: () => Promise<T>, restart: () => Promise<Running>) => Promise<T>;
  /** Stops everything in the reverse order of launching, a line each. Nothing can be launched any more. */
  stopAll: () => Promise<void>;
  /** Ends everything at once, without waiting. */
  killAll: () => void;
  /** Rejects when a part could not be kept running. Never resolves. */
  gaveUp: Promise<never>;
}

interface Part {
  name: string;
  running: Running;
  restart: () => Promise<Running>;
  failures: number;
  startedAt: number;
}

interface Watch {
  say: (line: string) => void;
  /** Aborted once everything is to stop. */
  stopping: AbortSignal;
}

export function createSupervisor(say: (line: string) => void): Supervisor {
  const parts: Part[] = [];
  const stopping = new AbortController();
  const watch: Watch = { say, stopping: stopping.signal };
  const { promise: gaveUp, reject: giveUp } = Promise.withResolvers<never>();
  gaveUp.catch(() => {});
  return {
    gaveUp,
    launch: async (name, start, restart) => {
      stopping.signal.throwIfAborted();
      const running = await start();
      if (stopping.signal.aborted) await running.stop();
      stopping.signal.throwIfAborted();
      const part: Part = { name, running, restart, failures: 0, startedAt: Date.now() };
      parts.push(part);
      keepRunning(part, watch).catch(giveUp);
      return running;
    },
    stopAll: async () => {
      stopping.abort();
      for (const part of parts.toReversed()) await stopPart(part, say);
      // Whatever was still getting ready; SIGINT is PostgreSQL's fast shutdown and means the same to the others.
      for (const unready of livingProcesses()) await stopProcess(unready, 'SIGINT', UNREADY_STOP_MS);
    },
    killAll: () => {
      stopping.abort();
      // PostgreSQL's immediate shutdown; the others end without cleaning up.
      for (const living of livingProcesses()) killProcess(living, 'SIGQUIT');
    },
  };
}

async function stopPart({ name, running }: Part, say: (line: string) => void): Promise<void> {
  if (!running.process.isRunning()) return;
  await running.stop();
  say(`✓ ${name} stopped`);
}

async function keepRunning(part: Part, watch: Watch): Promise<void> {
  while (!watch.stopping.aborted) {
    const how = await part.running.process.ended;
    if (watch.stopping.aborted) return;
    if (Date.now() - part.startedAt > HEALTHY_MS) part.failures = 0;
    watch.say(describeEnd(part, how));
    await restartPart(part, watch);
  }
}

async function restartPart(part: Part, { say, stopping }: Watch): Promise<void> {
  while (!stopping.aborted) {
    part.failures += 1;
    if (part.failures > MOST_FAILURES) throw new SetupError(`${part.name} does not keep running; stopping everything.`);
    await pauseBefore(part.failures, stopping);
    if (stopping.aborted) return;
    try {
      part.running = await part.restart();
      part.startedAt = Date.now();
      if (stopping.aborted) await part.running.stop();
      else say(`✓ ${part.name} runs again, pid ${part.running.process.pid}`);
      return;
    } catch (error) {
      if (!stopping.aborted) say(`✗ ${part.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

function describeEnd({ name, running }: Part, how: string): string {
  const { logFile } = running.process;
  return `✗ ${name} ended unexpectedly (${how}) and is started again. The end of ${logFile}:\n${lastLines(logFile, 5)}`;
}

async function pauseBefore(failures: number, signal: AbortSignal): Promise<void> {
  await delay(BACKOFF_MS[failures - 1] ?? BACKOFF_MS.at(-1), undefined, { signal }).catch(() => {});
}
