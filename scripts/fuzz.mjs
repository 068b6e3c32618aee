import { runWithProjectNode } from './bootstrap.mjs';

await runWithProjectNode('scripts/fuzz.ts');
