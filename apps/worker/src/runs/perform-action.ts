import { findAction } from '@millrace/connectors/catalog';
import { runAction } from '@millrace/connectors/run-action';
import type { Files, HttpClient } from '@millrace/connectors/sdk';
import type { Json } from '@millrace/workflow/json';
import type { PlannedNode } from '@millrace/workflow/plan';
import type { AttemptOutcome } from './execution.ts';
import type { Held } from './persist.ts';

interface ActionAttempt {
  node: PlannedNode | undefined;
  runId: string;
  stepKey: string;
  input: Json;
  http: HttpClient;
  files: Files;
  signal: AbortSignal;
  /** When it has run out, another worker may make this attempt: nothing is sent, and what comes of it is nobody's outcome. */
  lease: Held;
}

/** One attempt of a step's action, whichever worker makes it. Never rejects: a bug in an action fails the step, not the worker. */
export async function performAction(attempt: ActionAttempt): Promise<AttemptOutcome> {
  const { node, runId, stepKey, input, http, files, signal, lease } = attempt;
  const action = findAction(node?.kind.type ?? '');
  if (node === undefined || action === undefined) {
    return {
      ok: false,
      error: { code: 'ACTION_UNKNOWN', message: 'This worker has no such action.', retryable: false },
    };
  }
  const idempotencyKey = `${runId}:${stepKey}`;
  const maySend = () => {
    if (lease.remainingMs() > 0) return true;
    lease.lose();
    return false;
  };
  const limit = node.timeoutMs === null ? {} : { timeoutMs: node.timeoutMs };
  try {
    const result = await runAction(action, { input, http, files, idempotencyKey, signal, maySend, ...limit });
    // runAction answers copied JSON.
    return result.ok ? { ok: true, output: result.output as Json } : result;
  } catch {
    return { ok: false, error: { ...STOPPED, mayHaveHappened: true } };
  }
}

export const STOPPED = { code: 'INTERNAL', message: 'The step stopped unexpectedly.', retryable: false };
