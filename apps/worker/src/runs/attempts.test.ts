import { cancelRun } from '@millrace/db/run-signals';
import { withOrg } from '@millrace/db/tenant';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPlatform, type TestPlatform } from '../testing.ts';
import { type EchoServer, startEcho } from '../testing-echo.ts';

let platform: TestPlatform;
let echo: EchoServer;
let underWay = 0;
let mostUnderWay = 0;

beforeAll(async () => {
  echo = await startEcho((_, response) => {
    underWay += 1;
    mostUnderWay = Math.max(mostUnderWay, underWay);
    setTimeout(() => {
      underWay -= 1;
      response.end('ok');
    }, 50);
  });
  platform = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
  await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress, WORKFLOW_STEP_CONCURRENCY: '3' });
}, 60_000);
afterAll(async () => {
  await platform.close();
  await echo.close();
});

test('a worker has no more calls under way than its setting, over all of its runs, and makes all of them', async () => {
  const call = { id: 'call', type: 'http.request', config: { method: 'POST', url: `${echo.url}/{% $item %}` } };
  const config = { items: '{% [1..15] %}', as: 'item', concurrency: 15, body: { nodes: [call] } };
  const document = {
    version: 'v2',
    trigger: { type: 'trigger.manual' },
    nodes: [{ id: 'each', type: 'foreach', config }],
  };
  const runs = await Promise.all(Array.from({ length: 4 }, () => platform.run(document)));
  for (const run of runs) expect(await run.until(['succeeded'], 60_000)).toMatchObject({ status: 'succeeded' });
  expect(echo.calls).toHaveLength(60);
  expect(mostUnderWay).toBe(3);
}, 90_000);

test('a run that is cancelled while it waits for a slot leaves the slots to others', async () => {
  const call = { id: 'call', type: 'http.request', config: { method: 'POST', url: `${echo.url}/late` } };
  const config = { items: '{% [1..60] %}', concurrency: 60, body: { nodes: [call] } };
  const document = {
    version: 'v2',
    trigger: { type: 'trigger.manual' },
    nodes: [{ id: 'each', type: 'foreach', config }],
  };
  const [first, second] = [await platform.run(document), await platform.run(document)];
  await first.until(['running']);
  const entry = { type: 'run.cancel_requested', by: newId() };
  await withOrg(platform.api, platform.orgId, (tx) => cancelRun(tx, first.runId, entry));
  expect(await first.until(['cancelled'])).toMatchObject({ status: 'cancelled' });
  expect(await second.until(['succeeded'], 60_000)).toMatchObject({ status: 'succeeded' });
}, 90_000);
