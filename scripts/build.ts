/** `npm run build -- <folder>`: the programs as single files, as `npm start` runs them. `node <folder>/api.mjs` starts one. */
import { dirname, resolve } from 'node:path';
import { bundlePrograms } from './build/bundle.ts';

const target = process.argv[2];
if (target === undefined) {
  console.error('Say where to: npm run build -- <folder>. The folder must not exist yet.');
  process.exit(1);
}
await bundlePrograms(dirname(import.meta.dirname), resolve(target));
