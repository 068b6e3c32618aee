import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { livingProcesses } from '../scripts/services/managed-process.ts';
import { flagsOf } from '../scripts/start/node-flags.ts';
import type { Stack } from './stack.ts';

const START_DEADLINE_MS = 60_000;

/** A second worker that takes runs of the same queue. */
export async function startSecondWorker(stack: Stack): Promise<{ pid: number; stop(): Promise<void> }> {
  const child = spawnLike('Worker', stack.programs.worker);
  await untilLogged(child, '"program_started"');
  return { pid: child.pid ?? 0, stop: () => end(child) };
}

/** Milliseconds from starting a second API process to its first healthy answer. */
export async function timeApiStart(stack: Stack): Promise<number> {
  const port = Number(new URL(stack.apiUrl).port) + 500;
  const startedAt = performance.now();
  const child = spawnLike('API', stack.programs.api, { API_PORT: String(port) });
  child.stdout?.resume();
  try {
    while (!(await isHealthy(`http://127.0.0.1:${port}/healthz`))) {
      if (child.exitCode !== null || performance.now() - startedAt > START_DEADLINE_MS)
        throw new Error('a second API did not start');
      await delay(5);
    }
    return performance.now() - startedAt;
  } finally {
    await end(child);
  }
}

/** With the environment of the one that the stack runs, which only /proc still knows. */
function spawnLike(name: 'API' | 'Worker', file: string, settings: Record<string, string> = {}): ChildProcess {
  const pid = livingProcesses().find((process) => process.name === name)?.pid;
  const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean);
  const env = Object.fromEntries(entries.map((entry) => entry.split(/=(.*)/s, 2)));
  return spawn(process.execPath, [...flagsOf(name), file], {
    env: { ...env, ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function untilLogged(child: ChildProcess, text: string): Promise<void> {
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    if (!output.includes(text)) output += chunk;
  });
  for (const deadline = Date.now() + START_DEADLINE_MS; !output.includes(text); await delay(5))
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`a second program did not start: ${output}`);
}

async function isHealthy(url: string): Promise<boolean> {
  return fetch(url).then(
    async (response) => {
      await response.body?.cancel();
      return response.ok;
    },
    () => false,
  );
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}
