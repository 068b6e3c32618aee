import { deleteSchedule, schedulesIn, storeSchedule } from '@millrace/db/schedules';
import { withOrg } from '@millrace/db/tenant';
import { openScheduler, type Scheduler } from '@millrace/queue/scheduler';
import { startTestRedis } from '@millrace/queue/testing';
import { createLog } from '@millrace/shared/log';
import { reportFigure } from '@millrace/shared/testing';
import { scheduleOf } from '@millrace/workflow/triggers/cron';
import { describe, expect, test } from 'vitest';
import { eventually, startPlatform, type TestPlatform, type TestWorker } from './testing.ts';

const redisUrl = process.env.MILLRACE_TEST_REDIS_URL ?? '';

const document = (expression: string, more: object = {}) => ({
  version: 'v2',
  trigger: { type: 'trigger.cron', config: { expression, ...more } },
  nodes: [
    { id: 'when', type: 'transform', config: { value: '{% $trigger.type & " " & $trigger.input.scheduledAt %}' } },
  ],
});

async function withPlatform(body: (platform: TestPlatform) => Promise<void>, redis: string = redisUrl): Promise<void> {
  const platform = await startPlatform(redis);
  try {
    await body(platform);
  } finally {
    await platform.close();
  }
}

/** Publishes a document with a cron trigger and starts its schedule. */
async function publishSchedule({ api, orgId, publish }: TestPlatform, published: object): Promise<string> {
  const workflowId = await publish(published);
  const schedule = scheduleOf(published);
  if (!schedule) throw new Error('the document has no cron trigger');
  await withOrg(api, orgId, (tx) => storeSchedule(tx, { workflowId, version: 1, maxAttempts: 1 }, schedule));
  return workflowId;
}

interface TickRow {
  workflowId: string;
  tickSec: number;
  lateMs: number;
  status: string;
  output: unknown;
}

async function readTicks({ admin, orgId }: TestPlatform): Promise<TickRow[]> {
  const { rows } = await admin.pool.query<TickRow>(
    `SELECT workflow_id AS "workflowId", extract(epoch FROM scheduled_at)::integer AS "tickSec", status, output,
       extract(epoch FROM created_at - scheduled_at)::double precision * 1000 AS "lateMs"
     FROM app.workflow_runs WHERE org_id = $1 AND scheduled_at IS NOT NULL ORDER BY workflow_id, scheduled_at`,
    [orgId],
  );
  return rows;
}

/** A loop as API processes have one, with their login. */
function startApiScheduler({ api, queue }: TestPlatform): Scheduler {
  const scheduler = openScheduler({
    ...schedulesIn(api),
    wakeRun: (wake) => queue.wakeRun(wake),
    log: createLog('scheduler', 'silent'),
  });
  scheduler.start();
  return scheduler;
}

/** A process whose clock on the wall is wrong by this much, and is set right and wrong again every two seconds. */
function wrongClock(offsetMs: number): Record<string, string> {
  const shim = `const Real = Date;
    const now = () => Real.now() + (Math.floor(performance.now() / 2000) % 2) * ${offsetMs};
    globalThis.Date = class extends Real {
      constructor(...values) { if (values.length) super(...values); else super(now()); }
      static now() { return now(); }
    };`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(shim)}` };
}

describe('every tick makes exactly one run', () => {
  test('with four workers and an API, two wrong clocks, and workers that are killed', { timeout: 120_000 }, () =>
    withPlatform(async (platform) => {
      const workflowIds = await Promise.all(
        Array.from({ length: 5 }, () => publishSchedule(platform, document('* * * * * *', { catchUp: 'all' }))),
      );
      const workers: TestWorker[] = [];
      for (const env of [{}, {}, wrongClock(-3_600_000), wrongClock(90_000_000)])
        workers.push(await platform.startWorker(env));
      const scheduler = startApiScheduler(platform);
      const before = await readTicks(platform);
      const { rows } = await platform.admin.pool.query('SELECT extract(epoch FROM now())::integer AS sec');
      const until = (ticks: number) =>
        eventually(
          async () => (await readTicks(platform)).length >= before.length + ticks * workflowIds.length,
          () => `${ticks} more ticks`,
          30_000,
        );
      await until(3);
      workers[0]?.signal('SIGKILL');
      await until(5);
      workers[3]?.signal('SIGKILL');
      await until(8);
      for (const id of workflowIds) await withOrg(platform.api, platform.orgId, (tx) => deleteSchedule(tx, id));
      await scheduler.stop();
      await eventually(
        async () => (await readTicks(platform)).every((tick) => tick.status === 'succeeded'),
        () => 'all runs succeed',
        30_000,
      );
      const ticks = await readTicks(platform);
      for (const workflowId of workflowIds) {
        const own = ticks.filter((tick) => tick.workflowId === workflowId).map((tick) => tick.tickSec);
        expect(own).toEqual(own.map((_, index) => (own[0] ?? 0) + index));
      }
      const whileUp = ticks.filter((tick) => tick.tickSec > rows[0].sec);
      const late = whileUp.map((tick) => tick.lateMs).sort((a, b) => a - b);
      expect(late[0]).toBeGreaterThanOrEqual(0);
      expect(late[Math.floor(late.length * 0.75)]).toBeLessThan(1_000);
      reportFigure(
        'cron',
        `${ticks.length} ticks, none lost or doubled, half of them at most ${late[late.length >> 1]} ms late`,
      );
    }),
  );

  test('the latest of those missed while every process was down', { timeout: 60_000 }, () =>
    withPlatform(async (platform) => {
      await publishSchedule(platform, document('0 0 1 * *', { timeZone: 'Asia/Kolkata' }));
      await platform.admin.pool.query(
        `UPDATE app.workflow_schedules SET next_fire_at = next_fire_at - interval '100 days'`,
      );
      const worker = await platform.startWorker();
      await eventually(
        async () => (await readTicks(platform)).some((tick) => tick.status === 'succeeded'),
        () => 'a run',
      );
      const ticks = await readTicks(platform);
      expect(ticks).toHaveLength(1);
      const scheduledAt = new Date((ticks[0]?.tickSec ?? 0) * 1000).toISOString();
      expect(scheduledAt).toMatch(/T18:30:00.000Z$/);
      expect(ticks[0]?.output).toBe(`trigger.cron ${scheduledAt}`);
      const enqueued = worker.lines.filter((line) => line.event === 'workflow_run_enqueued');
      expect(enqueued).toMatchObject([{ userId: null, orgId: platform.orgId, runId: expect.any(String) }]);
    }),
  );

  test('also while Redis is away: the runs are stored and go on when it is back', { timeout: 60_000 }, async () => {
    const redis = await startTestRedis();
    try {
      await withPlatform(async (platform) => {
        const workflowId = await publishSchedule(platform, document('* * * * * *'));
        await platform.startWorker();
        await redis.kill();
        const before = (await readTicks(platform)).length;
        await eventually(
          async () => (await readTicks(platform)).length >= before + 3,
          () => 'three ticks without Redis',
        );
        await withOrg(platform.api, platform.orgId, (tx) => deleteSchedule(tx, workflowId));
        await redis.restart();
        await eventually(
          async () => (await readTicks(platform)).every((tick) => tick.status === 'succeeded'),
          () => 'all runs succeed',
          30_000,
        );
        const own = (await readTicks(platform)).map((tick) => tick.tickSec);
        expect(own).toEqual(own.map((_, index) => (own[0] ?? 0) + index));
      }, redis.url);
    } finally {
      await redis.stop();
    }
  });
});
