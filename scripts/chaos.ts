import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';

/**
 * The chaos test alone, telling each fault: `npm run chaos`, or `npm run chaos -- --full --minutes 30 --seed 7` for more
 * faults of more kinds. The seed repeats the order of the faults, not how programs meet them.
 */
const USAGE = 'Usage: npm run chaos -- [--full] [--minutes <number>] [--seed <number>]';
const child = spawn('vitest', ['run', 'tests/chaos'], {
  cwd: dirname(import.meta.dirname),
  env: { ...process.env, CHAOS_SHOW: '1', ...readArguments() },
  stdio: ['ignore', 'inherit', 'inherit'],
});
for (const event of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect']) process.on(event, () => child.kill('SIGTERM'));
child.on('error', (error) => {
  console.error(error.message);
  process.exit(1);
});
child.on('close', (code) => process.exit(code ?? 1));

function readArguments(): Record<string, string> {
  try {
    const options = { full: { type: 'boolean' }, minutes: { type: 'string' }, seed: { type: 'string' } } as const;
    const { full, minutes, seed } = parseArgs({ options }).values;
    for (const number of [minutes, seed])
      if (number !== undefined && !/^\d{1,10}$/.test(number)) throw new Error('--minutes and --seed are whole numbers');
    return {
      ...(full && { CHAOS_FULL: '1' }),
      ...(minutes !== undefined && { CHAOS_MINUTES: minutes }),
      ...(seed !== undefined && { CHAOS_SEED: seed }),
    };
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(1);
  }
}
