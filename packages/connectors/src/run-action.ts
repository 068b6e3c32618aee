import type { z } from 'zod';
import { openDeadline, untilAborted } from './deadline.ts';
import { hideInText } from './hidden-text.ts';
import { toJsonOutput } from './json-output.ts';
import { type Action, ActionError, type Files, type HttpClient } from './sdk.ts';

export type ActionCall = {
  input: unknown;
  http: HttpClient;
  files: Files;
  idempotencyKey: string;
  /** Limit of this attempt; the action's own when absent. */
  timeoutMs?: number;
  /** Aborts when the run is cancelled. */
  signal?: AbortSignal;
  /** See HttpRequest: false from the moment on at which somebody else may make this attempt. */
  maySend?: () => boolean;
};

export type ActionFailure = {
  code: string;
  message: string;
  retryable: boolean;
  retryAfterMs?: number;
  /** Something was sent, and nobody knows what became of it. */
  mayHaveHappened?: boolean;
};
export type ActionResult = { ok: true; output: unknown } | { ok: false; error: ActionFailure };

/**
 * Runs one attempt of an action: input parsed before anything is sent (INPUT_INVALID), everything within the deadline
 * (TIMEOUT), output parsed (OUTPUT_INVALID), copied as JSON and at most 16 MiB (OUTPUT_TOO_LARGE). Never throws: what an
 * action throws is the failure, and an error that is not an ActionError becomes ACTION_FAILED without its text, which
 * could hold anything. No message holds a credential of the input. An action that ignores its signal is not waited for.
 * From the first connection on that something may be sent on, every failure that is no answer may have happened.
 */
export async function runAction(action: Action, call: ActionCall): Promise<ActionResult> {
  const input = action.input.safeParse(call.input);
  if (!input.success)
    return failed(invalid('INPUT_INVALID', 'The input of the action is not valid', input.error), false);
  const timeoutMs = call.timeoutMs ?? action.timeoutMs;
  const { signal, close } = openDeadline(timeoutMs, call.signal);
  let isSent = false;
  const maySend = () => {
    const may = call.maySend?.() ?? true;
    isSent ||= may;
    return may;
  };
  // Every request of the action ends with the attempt, whatever the action passes on.
  const http: HttpClient = (request) => call.http({ timeoutMs, ...request, maySend, signal });
  try {
    signal.throwIfAborted();
    const running = action.run({
      input: input.data,
      http,
      files: call.files,
      signal,
      idempotencyKey: call.idempotencyKey,
    });
    const output = action.output.safeParse(await untilAborted(running, signal));
    if (!output.success) throw invalid('OUTPUT_INVALID', 'The action gave an unexpected output', output.error);
    return { ok: true, output: toJsonOutput(output.data) };
  } catch (error) {
    const result = failed(error, isSent);
    if (!result.ok) result.error.message = hideInText(result.error.message, action, input.data);
    return result;
  } finally {
    close();
  }
}

const MAX_NAMED_PROBLEMS = 5;

function invalid(code: string, summary: string, error: z.ZodError): ActionError {
  const problems = error.issues
    .slice(0, MAX_NAMED_PROBLEMS)
    .map((issue) => `${issue.path.map(String).join('.').slice(0, 100) || 'input'}: ${issue.message.slice(0, 200)}`);
  return new ActionError(code, `${summary}: ${problems.join('; ')}`);
}

function failed(error: unknown, isSent: boolean): ActionResult {
  const happening = isSent && !(error instanceof ActionError && error.isAnswer) ? { mayHaveHappened: true } : {};
  if (!(error instanceof ActionError)) {
    const name = error instanceof Error ? error.constructor.name : typeof error;
    const message = `The action stopped with an unexpected error (${name}).`;
    return { ok: false, error: { code: 'ACTION_FAILED', message, retryable: false, ...happening } };
  }
  const { code, retryable, retryAfterMs } = error;
  // It is stored: PostgreSQL takes neither NUL nor half a character, which cutting a text leaves behind.
  const message = error.message.replaceAll('\0', '\uFFFD').toWellFormed();
  const pause = retryAfterMs === undefined ? {} : { retryAfterMs };
  return { ok: false, error: { code, message, retryable, ...pause, ...happening } };
}
