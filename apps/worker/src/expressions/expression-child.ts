/**
 * The program of one warm child: evaluates what tenants wrote, one request at a time, until it is killed. It is started
 * by `openExpressionPool` without environment, network rights of its own or files beyond what it must load.
 */
import { type ExpressionRequest, type ExpressionResult, evaluateOthers } from '@millrace/workflow/expression';

process.on('message', (message: { request: string; bindings: string }) => {
  void answer(message);
});
// The parent is gone: nobody will ask again.
process.on('disconnect', () => process.exit());
// Ctrl-C reaches the whole process group. The worker decides when its children end, else a run would fail for it.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.send?.('ready');

/** Bytes of JSON a step's input may have at most. */
const OUTPUT_MAX_BYTES = 16 * 1024 * 1024;

async function answer(message: { request: string; bindings: string }): Promise<void> {
  const request: Omit<ExpressionRequest, 'bindings'> = JSON.parse(message.request);
  const bindings: ExpressionRequest['bindings'] = JSON.parse(message.bindings);
  const result = await evaluateOthers({ ...request, bindings });
  // The first failure of a list ends the evaluation, and the rest of the list goes on. It must be over before the next request may
  // come: who comes then would be blamed for its memory and its time.
  await new Promise((resolve) => setImmediate(resolve));
  const text = JSON.stringify(result);
  process.send?.(Buffer.byteLength(text) > OUTPUT_MAX_BYTES ? JSON.stringify(tooLarge(request.path)) : text);
}

function tooLarge(path: string): ExpressionResult {
  const message = 'The values of the expressions are larger than 16 MiB together.';
  return { ok: false, error: { code: 'OUTPUT_TOO_LARGE', path, message } };
}
