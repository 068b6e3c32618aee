import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPlatform, type TestPlatform, type TestWorker } from '../testing.ts';
import { type EchoServer, startEcho } from '../testing-echo.ts';

const redisUrl = process.env.MILLRACE_TEST_REDIS_URL ?? '';
const trigger = { type: 'trigger.manual' };
let platform: TestPlatform;
let echo: EchoServer;
let worker: TestWorker;

beforeAll(async () => {
  platform = await startPlatform(redisUrl);
  echo = await startEcho((call, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ path: call.path, total: 150, sent: call.body }));
  });
  worker = await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
});
afterAll(async () => {
  await platform.close();
  await echo.close();
});

describe('a run', () => {
  test('calls a server, decides and ends succeeded with its output', async () => {
    const run = await platform.run(
      {
        version: 'v2',
        trigger,
        nodes: [
          { id: 'fetch', type: 'http.request', config: { method: 'GET', url: '{% $trigger.input.url %}' } },
          { id: 'big', type: 'condition', config: { if: '{% $steps.fetch.output.body.total > 100 %}' } },
          { id: 'sum', type: 'transform', config: { value: { total: '{% $steps.fetch.output.body.total %}' } } },
        ],
        edges: [
          { from: 'fetch', to: 'big' },
          { from: 'big', to: 'sum', branch: 'true' },
        ],
      },
      { input: { url: `${echo.url}/first` } },
    );
    const row = await run.until();
    expect(row).toMatchObject({ status: 'succeeded', output: { total: 150 }, error: null, attemptCount: 1 });
    expect(echo.callsTo('/first')).toHaveLength(1);
    expect(await worker.trace(run.runId)).toEqual(['workflow_run_started', 'workflow_run_succeeded']);
  });
});
