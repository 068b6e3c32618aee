import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { parseEgressRules } from './egress.ts';
import { runAction } from './run-action.ts';
import { createSafeFetch } from './safe-fetch.ts';
import { type ActionContext, ActionError, defineAction, RetryableError } from './sdk.ts';
import { openMemoryFiles, startHttpServer } from './testing.ts';

const Input = z.strictObject({ n: z.number() });

function actionThat(run: (context: ActionContext<z.output<typeof Input>>) => Promise<unknown>, timeoutMs = 5000) {
  return defineAction({
    name: 'probe',
    displayName: 'Probe',
    description: 'For tests.',
    input: Input,
    output: z.unknown(),
    effect: 'read',
    idempotency: 'natural',
    timeoutMs,
    run,
  });
}

const http = createSafeFetch({ allow: [], refuse: [] });
const call = { input: { n: 1 }, http, files: openMemoryFiles(), idempotencyKey: 'run:step' };

describe('an attempt', () => {
  test('gives the parsed input and the key to the action and a copy of its output back', async () => {
    const inner = { list: [1] };
    const result = await runAction(
      actionThat(async ({ input, idempotencyKey }) => ({ inner, n: input.n, idempotencyKey })),
      call,
    );
    expect(result).toEqual({ ok: true, output: { inner: { list: [1] }, n: 1, idempotencyKey: 'run:step' } });
    inner.list.push(2);
    expect(result).toMatchObject({ output: { inner: { list: [1] } } });
  });

  test.each([undefined, null, {}, { n: 'x' }, { n: 1, extra: 's3cret' }, [], 'text'])(
    'with input %j fails before the action runs',
    async (input) => {
      let ran = false;
      const action = actionThat(async () => {
        ran = true;
      });
      const result = await runAction(action, { ...call, input });
      expect(result).toMatchObject({ ok: false, error: { code: 'INPUT_INVALID', retryable: false } });
      expect(JSON.stringify(result)).not.toContain('s3cret');
      expect(ran).toBe(false);
    },
  );

  test('fails with the code, text and pause an action chose', async () => {
    const chosen = actionThat(async () => {
      throw new ActionError('CARD_DECLINED', 'The card was declined.');
    });
    expect(await runAction(chosen, call)).toEqual({
      ok: false,
      error: { code: 'CARD_DECLINED', message: 'The card was declined.', retryable: false },
    });
    const later = actionThat(async () => {
      throw new RetryableError('Busy.', 1500);
    });
    expect(await runAction(later, call)).toEqual({
      ok: false,
      error: { code: 'RETRYABLE', message: 'Busy.', retryable: true, retryAfterMs: 1500 },
    });
  });

  test.each([new TypeError('token=s3cret'), 's3cret', null, undefined, { code: 's3cret' }, Object.create(null)])(
    'that throws anything else fails without repeating it: %s',
    async (thrown: unknown) => {
      const rejecting = actionThat(() => Promise.reject(thrown));
      const throwing = actionThat(() => {
        throw thrown;
      });
      for (const action of [rejecting, throwing]) {
        const result = await runAction(action, call);
        expect(result).toMatchObject({ ok: false, error: { code: 'ACTION_FAILED', retryable: false } });
        expect(JSON.stringify(result)).not.toContain('s3cret');
      }
    },
  );

  test('ends at its deadline even when the action ignores it', async () => {
    const deaf = actionThat(() => new Promise(() => {}), 50);
    expect(await runAction(deaf, call)).toMatchObject({ ok: false, error: { code: 'TIMEOUT', retryable: true } });
    const started = performance.now();
    expect(
      await runAction(
        actionThat(() => new Promise(() => {})),
        { ...call, timeoutMs: 50 },
      ),
    ).toMatchObject({ ok: false });
    expect(performance.now() - started).toBeLessThan(4000);
  });

  test('with a limit longer than any timer does not end at once', async () => {
    const action = actionThat(() => new Promise((resolve) => setTimeout(resolve, 20, 'done')));
    expect(await runAction(action, { ...call, timeoutMs: 1e12 })).toEqual({ ok: true, output: 'done' });
  });

  test('ends when the run is cancelled, and does not start when it already was', async () => {
    const stop = new AbortController();
    let starts = 0;
    const action = actionThat(({ signal }) => {
      starts += 1;
      queueMicrotask(() => stop.abort());
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    const aborted = { ok: false, error: { code: 'ABORTED', retryable: false } };
    expect(await runAction(action, { ...call, signal: stop.signal })).toMatchObject(aborted);
    expect(await runAction(action, { ...call, signal: stop.signal })).toMatchObject(aborted);
    expect(starts).toBe(1);
  });

  test('lends its deadline to every request of the action', async () => {
    const server = await startHttpServer(() => {});
    const guarded = createSafeFetch({ allow: parseEgressRules(`127.0.0.1/32:${server.port}`), refuse: [] });
    const ended = Promise.withResolvers<unknown>();
    const action = actionThat(async (context) => {
      const work = context.http({ method: 'GET', url: `http://127.0.0.1:${server.port}/` });
      work.catch(ended.resolve);
      return work;
    }, 100);
    const result = await runAction(action, { ...call, http: guarded });
    expect(result).toMatchObject({ ok: false, error: { code: 'TIMEOUT' } });
    expect(await ended.promise).toMatchObject({ code: 'TIMEOUT' });
    await server.close();
  });

  test('lends its cancellation to every request of the action', async () => {
    const stop = new AbortController();
    const ended = Promise.withResolvers<unknown>();
    const server = await startHttpServer(() => stop.abort());
    const guarded = createSafeFetch({ allow: parseEgressRules(`127.0.0.1/32:${server.port}`), refuse: [] });
    const action = actionThat(async (context) => {
      const work = context.http({ method: 'GET', url: `http://127.0.0.1:${server.port}/` });
      work.catch(ended.resolve);
      return work;
    });
    const result = await runAction(action, { ...call, http: guarded, signal: stop.signal });
    expect(result).toMatchObject({ ok: false, error: { code: 'ABORTED' } });
    expect(await ended.promise).toMatchObject({ code: 'ABORTED' });
    await server.close();
  });

  test('fails when the output is not what the action promised', async () => {
    const wrong = { ...actionThat(async () => ({ id: 5 })), output: z.strictObject({ id: z.string() }) };
    expect(await runAction(wrong, call)).toMatchObject({
      ok: false,
      error: { code: 'OUTPUT_INVALID', retryable: false },
    });
  });

  test('fails when the output is larger than 16 MiB', async () => {
    const action = actionThat(async () => 'x'.repeat(16 * 1024 * 1024));
    expect(await runAction(action, call)).toMatchObject({
      ok: false,
      error: { code: 'OUTPUT_TOO_LARGE', retryable: false },
    });
  });
});
