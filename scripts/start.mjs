import { runWithProjectNode } from './bootstrap.mjs';

await runWithProjectNode('scripts/start.ts');
