import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { removeSmallDisks } from '../tests/chaos/small-disk.ts';
import { becomesTrue, sendSignal } from './services/process-identity.ts';
import { removeLeftovers } from './services/test-services.ts';

/**
 * The tests of chaos alone, telling each fault: `npm run chaos`, or `npm run chaos -- --full --minutes 35 --seed 7` for more
 * faults of more kinds; see docs/chaos.md. Ctrl-C leaves no process and no file behind.
 */
const USAGE =
  'Usage: npm run chaos -- [--full] [--minutes <number>] [--seed <number>] [--kills <number>] [<part of a file name> ...]';
const clone = dirname(import.meta.dirname);
const GRACE_MS = 3_000;

const { settings, files } = readArguments();
const folder = mkdtempSync(join(tmpdir(), 'millrace-chaos-'));
// PostgreSQL has a user of its own where we are root.
chmodSync(folder, 0o755);
// In a session of its own: what is killed, frozen and started all the time can only be ended together, and after it all.
// Without the test that runs this very file.
const args = ['run', '--project', 'chaos', '--exclude', '**/interrupt.test.ts', ...files];
const child = spawn('vitest', args, {
  cwd: clone,
  env: { ...process.env, CHAOS_SHOW: '1', TMPDIR: folder, ...settings },
  stdio: ['ignore', 'inherit', 'inherit'],
  detached: true,
});
const closed = new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject));
let isStopping = false;
for (const event of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect']) process.on(event, () => void stop());

const code = await closed.catch((error: Error) => {
  console.error(error.message);
  return 1;
});
endAll();
await becomesTrue(() => !isGroupAlive(), GRACE_MS);
await removeLeftovers(clone);
removeSmallDisks(folder);
rmSync(folder, { recursive: true, force: true });
process.exit(isStopping ? 130 : (code ?? 1));

/** Vitest tells the services of its own to end; what the tests have started is killed with them. */
async function stop(): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  console.log('\n• Stopping');
  child.kill('SIGTERM');
  await Promise.race([closed.catch(() => {}), pause(GRACE_MS)]);
  endAll();
}

/** Frozen ones too. PostgreSQL is in no group of ours: it is found by the note that it left. */
function endAll(): void {
  if (child.pid !== undefined) sendSignal(-child.pid, 'SIGKILL');
}

function isGroupAlive(): boolean {
  try {
    return child.pid !== undefined && process.kill(-child.pid, 0);
  } catch {
    return false;
  }
}

function readArguments() {
  try {
    const text = { type: 'string' } as const;
    const options = { full: { type: 'boolean' }, minutes: text, seed: text, kills: text } as const;
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    const { full, minutes, seed, kills } = values;
    for (const number of [minutes, seed, kills])
      if (number !== undefined && !/^\d{1,10}$/.test(number))
        throw new Error('--minutes, --seed and --kills are whole numbers');
    if (kills !== undefined && Number(kills) < 1) throw new Error('--kills is 1 or more');
    const settings: Record<string, string> = {
      ...(full && { CHAOS_FULL: '1' }),
      ...(minutes !== undefined && { CHAOS_MINUTES: minutes }),
      ...(seed !== undefined && { CHAOS_SEED: seed }),
      ...(kills !== undefined && { CHAOS_KILLS: kills }),
    };
    return { settings, files: positionals };
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(1);
  }
}
