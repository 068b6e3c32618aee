import { writeFile } from 'node:fs/promises';
import { printPages } from './docs/pages.ts';

const root = new URL('..', import.meta.url);

for (const { path, text } of await printPages()) {
  await writeFile(new URL(path, root), text);
  console.log(`wrote ${path}`);
}
