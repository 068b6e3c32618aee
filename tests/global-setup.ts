import { dirname } from 'node:path';
import { prepareTemplate } from '../packages/db/src/testing.ts';
import { prepareTestServices } from '../scripts/services/test-services.ts';

const DATABASE = 'MILLRACE_TEST_DATABASE_URL';
const REDIS = 'MILLRACE_TEST_REDIS_URL';

/**
 * Before all test files: one PostgreSQL with the template database that each test file copies, and one Redis. A server
 * named by the environment is used as it is and left running. Returns what stops the ones started here.
 */
export default async function startServices(): Promise<() => Promise<void>> {
  const cleanups: (() => unknown)[] = [];
  const cleanUp = async () => {
    for (const step of cleanups.splice(0).reverse()) await step();
  };
  try {
    await provideServices(cleanups);
    await prepareTemplate(process.env[DATABASE] ?? '');
    return cleanUp;
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

async function provideServices(cleanups: (() => unknown)[]): Promise<void> {
  if (process.env[DATABASE] && process.env[REDIS]) return;
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const services = await prepareTestServices(dirname(import.meta.dirname), say);
  cleanups.push(services.remove);
  // Vitest ends at once on SIGTERM, without tearing down. What SIGKILL leaves is cleaned up by the next run.
  process.once('exit', services.abandon);
  for (const [variable, start] of [
    [DATABASE, services.startPostgres],
    [REDIS, services.startRedis],
  ] as const) {
    if (process.env[variable]) continue;
    const { url, stop } = await start();
    process.env[variable] = url;
    cleanups.push(stop);
  }
}
