import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';

/**
 * The fuzzing of the API alone and for as long as wanted: `npm run fuzz -- --requests 500000 --seed 7`. Prints what each
 * operation answered; the seed of a failure repeats it.
 */
const { requests, seed } = readArguments();
const child = spawn('vitest', ['run', 'tests/fuzz.test.ts'], {
  cwd: dirname(import.meta.dirname),
  env: { ...process.env, FUZZ_SHOW: '1', FUZZ_REQUESTS: requests, ...(seed !== undefined && { FUZZ_SEED: seed }) },
  stdio: ['ignore', 'inherit', 'inherit'],
});
for (const event of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect']) process.on(event, () => child.kill('SIGTERM'));
child.on('error', (error) => {
  console.error(error.message);
  process.exit(1);
});
child.on('close', (code) => process.exit(code ?? 1));

function readArguments(): { requests: string; seed: string | undefined } {
  try {
    const options = { requests: { type: 'string', default: '100000' }, seed: { type: 'string' } } as const;
    const { requests, seed } = parseArgs({ options }).values;
    const isWrong = !/^[1-9]\d{0,8}$/.test(requests) || (seed !== undefined && !/^\d{1,10}$/.test(seed));
    if (isWrong) throw new Error('--requests and --seed are whole numbers');
    return { requests, seed };
  } catch (error) {
    console.error(`${(error as Error).message}\nUsage: npm run fuzz -- [--requests <number>] [--seed <number>]`);
    process.exit(1);
  }
}
