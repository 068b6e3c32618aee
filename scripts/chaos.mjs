import { runWithProjectNode } from './bootstrap.mjs';

await runWithProjectNode('scripts/chaos.ts');
