import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { validateDefinition } from '../validate.ts';
import { type CatchUp, dueTicks, nextTicks, type Schedule, scheduleOf } from './cron.ts';

const at = (iso: string) => Date.parse(iso);
const schedule = (expression: string, timeZone = 'UTC', catchUp: CatchUp = 'last'): Schedule => ({
  ...{ expression, timeZone, catchUp },
});
const ticks = (expression: string, timeZone: string, after: string, count: number) =>
  nextTicks(schedule(expression, timeZone), at(after), count).map((tick) => tick.toISOString().slice(0, 19));

function problemsOf(config: unknown): string[] {
  const nodes = [{ id: 'a', type: 'transform', config: { value: 1 } }];
  const validation = validateDefinition({ version: 'v2', trigger: { type: 'trigger.cron', config }, nodes });
  return validation.ok ? [] : validation.problems.map(({ path, code }) => `${path} ${code}`);
}

describe('a document with a cron trigger', () => {
  test.each([
    '*/5 * * * *',
    '30 */5 * * * *',
    '0 9 * * MON-FRI',
    '0 0 L * *',
    '0 8 * * 5#2',
    '0 0 29 2 *',
    ' 0  0 1 1 *',
  ])('can be published with the expression "%s"', (expression) => {
    expect(problemsOf({ expression })).toEqual([]);
    expect(problemsOf({ expression, timeZone: 'Europe/Berlin', catchUp: 'all' })).toEqual([]);
  });

  test.each([
    ...['', 'often', '* * * *', '* * * * * * *', '@daily', '2027-01-01T00:00:00', '61 * * * *', '*/0 * * * *'],
    ...['? * * * *', '0 0 * * * 2030', '0 0 32 1 *', '0 0 30 2 *', '0 0 31 4,6 *', `${'0,'.repeat(200)}0 * * * *`],
  ])('is refused with the expression "%s", which it names by its path', (expression) => {
    expect(problemsOf({ expression })).toEqual(['trigger.config.expression INVALID_VALUE']);
  });

  test.each(['Mars/Olympus', '+02:00', 'Europe/Berlin; x', '', 'UTC+2', '../UTC'])(
    'is refused with the time zone "%s", which it names by its path',
    (timeZone) => {
      expect(problemsOf({ expression: '* * * * *', timeZone })).toEqual(['trigger.config.timeZone INVALID_VALUE']);
    },
  );

  test('names every other mistake too', () => {
    expect(problemsOf({ expression: 'x', timeZone: 'y', catchUp: 'some', every: 5 }).sort()).toEqual([
      'trigger.config.catchUp INVALID_VALUE',
      'trigger.config.every UNKNOWN_KEY',
      'trigger.config.expression INVALID_VALUE',
      'trigger.config.timeZone INVALID_VALUE',
    ]);
    expect(problemsOf({})).toEqual(['trigger.config.expression REQUIRED']);
    expect(problemsOf([])).toEqual(['trigger.config INVALID_VALUE']);
    expect(problemsOf({ expression: '{% $vars.when %}' })).toEqual(['trigger.config.expression INVALID_VALUE']);
  });

  test('has a schedule with UTC and "last" unless it says otherwise, and no other document has one', () => {
    const trigger = { type: 'trigger.cron', config: { expression: '0 9 * * *' } };
    expect(scheduleOf({ trigger })).toEqual({ expression: '0 9 * * *', timeZone: 'UTC', catchUp: 'last' });
    expect(scheduleOf({ trigger: { type: 'trigger.manual' } })).toBeNull();
  });
});

describe('the clock on the wall', () => {
  test('a fixed time that summer time skips comes once, right after the gap', () => {
    const around = ticks('30 2 * * *', 'Europe/Berlin', '2027-03-27T00:00Z', 3);
    expect(around).toEqual(['2027-03-27T01:30:00', '2027-03-28T01:00:00', '2027-03-29T00:30:00']);
    expect(ticks('30 2,14 * * *', 'Europe/Berlin', '2027-03-28T00:00Z', 2)).toEqual([
      ...['2027-03-28T01:00:00', '2027-03-28T12:30:00'],
    ]);
  });

  test('a fixed time that occurs twice comes once, at its first occurrence', () => {
    const around = ticks('30 2 * * *', 'Europe/Berlin', '2027-10-30T00:00Z', 3);
    expect(around).toEqual(['2027-10-30T00:30:00', '2027-10-31T00:30:00', '2027-11-01T01:30:00']);
    expect(ticks('30 1 * * *', 'America/New_York', '2027-11-07T00:00Z', 2)).toEqual([
      ...['2027-11-07T05:30:00', '2027-11-08T06:30:00'],
    ]);
  });

  test('every half hour stays every half hour through both changes', () => {
    for (const after of ['2027-03-28T00:00Z', '2027-10-31T00:00Z']) {
      const times = nextTicks(schedule('*/30 * * * *', 'Europe/Berlin'), at(after), 8).map((tick) => tick.getTime());
      expect(times).toEqual(times.map((_, index) => at(after) + (index + 1) * 1_800_000));
    }
  });

  test('leap days, last days and the n-th weekday of a month are found', () => {
    expect(ticks('0 0 29 2 *', 'UTC', '2097-01-01T00:00Z', 2)).toEqual(['2104-02-29T00:00:00', '2108-02-29T00:00:00']);
    expect(ticks('0 0 L * *', 'UTC', '2028-01-31T00:00Z', 2)).toEqual(['2028-02-29T00:00:00', '2028-03-31T00:00:00']);
    expect(ticks('0 8 * * 5#2', 'UTC', '2027-02-01T00:00Z', 2)).toEqual(['2027-02-12T08:00:00', '2027-03-12T08:00:00']);
    expect(ticks('0 8 * * FRI#L', 'UTC', '2027-02-01T00:00Z', 1)).toEqual(['2027-02-26T08:00:00']);
  });
});

describe('ticks that are due', () => {
  const hourly = (catchUp: CatchUp) => schedule('0 * * * *', 'UTC', catchUp);
  const since = at('2027-01-01T00:00Z');
  const due = (catchUp: CatchUp, now: string) => {
    const found = dueTicks(hourly(catchUp), since, at(now));
    return { ...found, ticks: found.ticks.map((tick) => tick.toISOString().slice(11, 16)) };
  };
  const next = (iso: string) => new Date(at(iso));

  test('a tick at most 10 s late is on time and gets its run, whatever is done about missed ones', () => {
    for (const catchUp of ['none', 'last', 'all'] as const) {
      for (const now of ['2027-01-01T00:00:00Z', '2027-01-01T00:00:10Z']) {
        expect(due(catchUp, now)).toEqual({ ticks: ['00:00'], next: next('2027-01-01T01:00Z'), dropped: 0 });
      }
    }
  });

  test('missed ones are skipped, stood for by the latest, or made up for one by one', () => {
    const now = '2027-01-01T03:30Z';
    expect(due('none', now)).toEqual({ ticks: [], next: next('2027-01-01T04:00Z'), dropped: 0 });
    expect(due('last', now)).toEqual({ ticks: ['03:00'], next: next('2027-01-01T04:00Z'), dropped: 0 });
    expect(due('all', now).ticks).toEqual(['00:00', '01:00', '02:00', '03:00']);
  });

  test('a tick that is on time comes beside those that were missed before it', () => {
    const now = '2027-01-01T03:00:01.250Z';
    expect(due('none', now).ticks).toEqual(['03:00']);
    expect(due('last', now).ticks).toEqual(['02:00', '03:00']);
    expect(due('all', now).ticks).toEqual(['00:00', '01:00', '02:00', '03:00']);
  });

  test('"all" makes up for the newest 100 and says how many it dropped, as far as it counts', () => {
    const { ticks: made, dropped } = dueTicks(hourly('all'), since, at('2027-01-06T00:30Z'));
    expect([made.length, made.at(-1), dropped]).toEqual([100, next('2027-01-06T00:00Z'), 21]);
    const started = performance.now();
    const year = dueTicks(schedule('* * * * * *', 'Europe/Berlin', 'all'), since, at('2028-01-01T00:00Z'));
    expect(performance.now() - started).toBeLessThan(2_000);
    expect([year.ticks.length, year.dropped]).toEqual([111, 900]);
  });

  test('a time between two ticks that is asked about again and again never repeats or loses one', () => {
    const expressions = ['* * * * * *', '*/7 * * * * *', '* * * * *', '30 2 * * *', '0,30 1-3 * * *', '15 */2 * * *'];
    const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'America/Sao_Paulo'];
    const starts = [
      '2027-03-28T00:40Z',
      '2027-10-31T00:10Z',
      '2027-11-07T05:20Z',
      '2027-04-03T14:40Z',
      '2028-02-28T23:00Z',
    ];
    const pauses = fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 1, maxLength: 60 });
    const any = fc.tuple(
      fc.constantFrom(...expressions),
      fc.constantFrom(...zones),
      fc.constantFrom(...starts),
      pauses,
    );
    fc.assert(
      fc.property(any, ([expression, zone, start, steps]) => {
        const asked = schedule(expression, zone, 'none');
        let since = nextTicks(asked, at(start), 1)[0]?.getTime() ?? 0;
        let now = since - 3_000;
        const seen: number[] = [];
        for (const step of steps) {
          now += step;
          if (now < since) continue;
          const found = dueTicks(asked, since, now);
          seen.push(...found.ticks.map((tick) => tick.getTime()));
          since = found.next?.getTime() ?? Number.POSITIVE_INFINITY;
        }
        const expected = nextTicks(asked, at(start), seen.length + 1).map((tick) => tick.getTime());
        expect(seen).toEqual(expected.slice(0, seen.length));
        expect(expected.at(-1)).toBe(since);
      }),
      { numRuns: 300 },
    );
  });

  test('looking back finds the very ticks that looking ahead does, through changes of the clock', () => {
    for (const zone of ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe']) {
      for (const expression of ['30 2 * * *', '30 1,2 * * *', '*/20 * * * *', '0 */3 * * *', '15 2 * * SUN']) {
        for (const day of ['2027-03-28', '2027-10-31', '2027-11-07', '2027-03-14', '2027-04-04', '2027-10-03']) {
          const from = at(`${day}T00:00Z`) - 36 * 3_600_000;
          const to = from + 72 * 3_600_000;
          const ahead = nextTicks(schedule(expression, zone), from, 300).filter((tick) => tick.getTime() < to);
          const back = dueTicks(schedule(expression, zone, 'all'), from + 1_000, to + 20_000);
          const both = [...ahead, ...nextTicks(schedule(expression, zone), to - 1, 1)];
          expect(back.dropped + back.ticks.length).toBeLessThanOrEqual(both.length);
          expect(back.ticks).toEqual(both.slice(0, back.dropped + back.ticks.length).slice(-back.ticks.length));
          expect(back.dropped + back.ticks.length).toBeGreaterThanOrEqual(ahead.length);
        }
      }
    }
  });
});
