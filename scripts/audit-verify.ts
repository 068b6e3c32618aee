import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runAuditVerify } from './audit/command.ts';
import { SetupError } from './services/failure.ts';

const NOT_CHECKED = 2;
const cloneDir = dirname(import.meta.dirname);

try {
  if (existsSync(join(cloneDir, '.env'))) process.loadEnvFile(join(cloneDir, '.env'));
  const say = (line: string) => console.log(line);
  process.exitCode = await runAuditVerify({ args: process.argv.slice(2), cloneDir, env: process.env, say });
} catch (error) {
  // A stack is for faults of ours; a person can act on a sentence.
  console.error(error instanceof SetupError ? error.message : error);
  process.exitCode = NOT_CHECKED;
}
