import { defineConfig } from 'vitest/config';

const files = ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'tests/**/*.test.ts', 'scripts/**/*.test.ts'];
const chaos = 'tests/chaos/**/*.test.ts';

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'tests',
          globalSetup: ['tests/global-setup.ts'],
          include: files,
          exclude: [chaos],
          sequence: { groupOrder: 0 },
        },
      },
      {
        // A real browser over the whole platform: afterwards, and one file at a time, because it is what people wait for.
        extends: true,
        test: {
          name: 'browser',
          globalSetup: ['tests/global-setup.ts'],
          include: ['e2e/**/*.test.ts'],
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: 240_000,
          hookTimeout: 240_000,
          expect: { poll: { timeout: 45_000 } },
          sequence: { groupOrder: 1 },
        },
      },
      {
        // After all others and one file at a time: it takes the whole machine.
        extends: true,
        test: {
          name: 'chaos',
          globalSetup: ['tests/global-setup.ts'],
          include: [chaos],
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
