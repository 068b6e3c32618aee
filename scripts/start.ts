import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SetupError } from './services/failure.ts';
import { prepareHost } from './services/host.ts';
import { parseArguments } from './start/arguments.ts';
import { describePlatform } from './start/closing-words.ts';
import type { StartContext } from './start/context.ts';
import { type DataLock, lockDataDir } from './start/data-lock.ts';
import { type DemoNote, makeDemo, readDemoNote } from './start/demo.ts';
import { createProgress } from './start/progress.ts';
import { type Platform, startPlatform } from './start/stages.ts';
import { createSupervisor } from './start/supervisor.ts';

const cloneDir = dirname(import.meta.dirname);
/** One Ctrl-C may arrive up to three times: from the terminal, through npm and through the bootstrap. */
const SAME_SIGNAL_MS = 1_000;
const SETTLE_MS = 20_000;

const progress = createProgress(process.stdout);
const supervisor = createSupervisor(progress.say);
let lock: DataLock | undefined;
let stopRequestedAt: number | undefined;

// Output may have nowhere to go once the terminal is closed; stopping in order matters more.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
const work = main();
// The IPC channel ends when the process that started us is gone, which also happens without any signal.
for (const event of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect']) process.on(event, requestStop);
process.on('uncaughtException', abandon);
process.on('exit', () => lock?.release());
work.catch(fail);
supervisor.gaveUp.catch(fail);

async function main(): Promise<void> {
  const { isEmpty, hasDemoIdp, help } = parseArguments(process.argv.slice(2));
  if (help) {
    console.log(help);
    process.exit(0);
  }
  if (existsSync(join(cloneDir, '.env'))) process.loadEnvFile(join(cloneDir, '.env'));
  const host = prepareHost(cloneDir, process.env.MILLRACE_DATA_DIR || undefined, progress.say);
  lock = await lockDataDir(host.dataDir, progress.say);
  if (stopRequestedAt !== undefined) throw new SetupError('Stopped.');
  const context: StartContext = { cloneDir, host, env: process.env, progress, supervisor, isEmpty, hasDemoIdp };
  const platform = await startPlatform(context);
  const demo = await provideDemo(context, platform);
  console.log(describePlatform({ platform, dataDir: host.dataDir, smtpUrl: process.env.SMTP_URL, demo }));
}

async function provideDemo({ host }: StartContext, { apiUrl, echo }: Platform): Promise<DemoNote | undefined> {
  if (!echo) return undefined;
  const note = readDemoNote(host.dataDir);
  if (typeof note === 'object') return note;
  const make = () => makeDemo(apiUrl, echo, host.dataDir);
  try {
    const demo = await progress.stage('Demo', make, ({ run }) => `Demo run ${run.id} ${run.status}`);
    progress.say(`Output: ${JSON.stringify(demo.run.output)}`);
    return demo;
  } catch (error) {
    // The platform itself works without its demo; the next start tries again.
    if (!(error instanceof SetupError) || stopRequestedAt !== undefined) throw error;
    progress.say(error.message);
    return undefined;
  }
}

function requestStop(): void {
  const now = Date.now();
  if (stopRequestedAt === undefined) {
    stopRequestedAt = now;
    lock?.announceStop();
    progress.say('Stopping (Ctrl-C again to force).');
    stopEverything().then(() => process.exit(0), abandon);
  } else if (now - stopRequestedAt > SAME_SIGNAL_MS) {
    supervisor.killAll();
    process.exit(130);
  }
}

async function stopEverything(): Promise<void> {
  await supervisor.stopAll();
  // A stage that was under way notices that it is over, and may have started something in the meantime.
  await Promise.race([work.catch(() => {}), delay(SETTLE_MS)]);
  await supervisor.stopAll();
}

async function fail(error: unknown): Promise<void> {
  if (stopRequestedAt !== undefined) return;
  stopRequestedAt = Date.now();
  // A stack is for faults of ours; a person can act on a sentence.
  console.error(error instanceof SetupError ? error.message : error);
  await supervisor.stopAll().catch(console.error);
  process.exit(1);
}

function abandon(error: unknown): void {
  console.error(error);
  supervisor.killAll();
  process.exit(1);
}
