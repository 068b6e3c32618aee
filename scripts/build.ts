/** `npm run build -- <folder>`: the programs as single files, as `npm start` runs them; says how to start them. */
import { dirname, join, resolve } from 'node:path';
import { bundlePrograms } from './build/bundle.ts';
import { flagsOf, PROGRAM_ENV } from './start/node-flags.ts';

const target = process.argv[2];
if (target === undefined) {
  console.error('Say where to: npm run build -- <folder>. The folder must not exist yet.');
  process.exit(1);
}
await bundlePrograms(dirname(import.meta.dirname), resolve(target));

const env = Object.entries(PROGRAM_ENV).map(([name, value]) => `${name}=${value}`);
console.log('Built. To start them as npm start does:');
for (const program of ['api', 'worker'])
  console.log(['', ...env, 'node', ...flagsOf(program), join(target, `${program}.mjs`)].join(' '));
