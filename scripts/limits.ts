import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runLimits } from './limits/command.ts';
import { SetupError } from './services/failure.ts';
import { findDatabase } from './services/find-database.ts';

const cloneDir = dirname(import.meta.dirname);

try {
  if (existsSync(join(cloneDir, '.env'))) process.loadEnvFile(join(cloneDir, '.env'));
  await runLimits({
    args: process.argv.slice(2),
    findDatabase: () => findDatabase(cloneDir, process.env),
    say: (line) => console.log(line),
  });
} catch (error) {
  // A stack is for faults of ours; a person can act on a sentence.
  console.error(error instanceof SetupError ? error.message : error);
  process.exitCode = 1;
}
