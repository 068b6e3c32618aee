/**
 * What a step costs in a run that holds much already: 50 steps in a row with outputs of 10 kB, each recorded alone. `npm run
 * bench -- steps`; takes a minute. See bench/README.md for what the figures mean.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Client, publish, signUp } from './client.ts';
import { type Stack, startStack } from './stack.ts';
import { median, show, spread } from './table.ts';

const RUNS = Number(process.env.BENCH_RUNS ?? 40);
const STEPS = 50;
const OUTPUT_BYTES = 10_000;

/** An action, not a pure step: those are recorded together. */
const echo = createServer((_request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ text: 'x'.repeat(OUTPUT_BYTES) }));
});
await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
const { port } = echo.address() as AddressInfo;
const stack = await startStack({ EGRESS_ALLOW_CIDRS: `127.0.0.1/32:${port}` });
try {
  await bench(stack);
} finally {
  await stack.stop();
  echo.close();
}

async function bench(stack: Stack): Promise<void> {
  const client = await signUp(stack.apiUrl);
  const path = await publish(client, `${STEPS} steps`, {
    version: 'v2',
    trigger: { type: 'trigger.manual' },
    nodes: Array.from({ length: STEPS }, (_, n) => ({
      id: `step${n + 1}`,
      type: 'http.request',
      config: {
        method: 'POST',
        url: `http://127.0.0.1:${port}/`,
        ...(n > 0 && { body: `{% $steps.step${n}.output.body %}` }),
      },
    })),
    output: '{% $steps.step1.output.status %}',
  });
  await measureRun(stack, client, path);
  const steps: number[][] = [];
  for (let run = 0; run < RUNS; run += 1) steps.push(await measureRun(stack, client, path));
  // Neighbours of the step too: one step is a handful of milliseconds, and so is the noise.
  const around = (from: number) => steps.map((times) => median(times.slice(from - 2, from + 3)));
  const [fifth, last] = [around(4), around(STEPS - 3)];
  console.log(`\nMedian of ${RUNS} runs (lowest to highest), time from one step's end to the next one's.`);
  console.log(`around the fifth step  ${spread(fifth)} ms`);
  console.log(`the last five          ${spread(last)} ms`);
  console.log(`last against fifth     ${show(median(last) / median(fifth))}`);
}

/** The milliseconds of each step, by the database's clock. */
async function measureRun(stack: Stack, client: Client, path: string): Promise<number[]> {
  const { run } = await client.call('POST', path, {});
  for (;;) {
    const { run: now } = await client.call('GET', `${path}/${run?.id}`);
    if (now?.status === 'succeeded') break;
    if (now?.status === 'failed') throw new Error('the run failed');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { rows } = await stack.admin.query<{ ms: number }>(
    `SELECT extract(epoch FROM e.at - lag(e.at) OVER (ORDER BY e.number))::float8 * 1000 AS ms
     FROM app.workflow_run_events e WHERE e.run_id = $1 AND e.entries @> '[{"type": "step.succeeded"}]' ORDER BY e.number`,
    [run?.id],
  );
  return rows.map(({ ms }) => ms);
}
