import type { ExpressionRequest, ExpressionResult } from '@millrace/workflow/expression';

const LIMIT_MS = 2_000;
const TOO_LONG: ExpressionResult = {
  ok: false,
  error: { code: 'EXPRESSION_LIMIT', path: '', message: 'This takes too long to evaluate.' },
};

interface Waiting {
  request: ExpressionRequest;
  resolve: (result: ExpressionResult) => void;
}

/**
 * Evaluates what somebody types, in a thread of its own that is ended when it takes too long: an expression may run for
 * ever or fill the memory, and here only the page of its author would suffer. One after the other.
 */
export function createEvaluator(openThread: () => Worker = openEvaluationThread) {
  let thread: Worker | undefined;
  let tail: Promise<unknown> = Promise.resolve();
  const end = () => {
    thread?.terminate();
    thread = undefined;
  };
  const run = ({ request, resolve }: Waiting) =>
    new Promise<void>((next) => {
      thread ??= openThread();
      const answer = (result: ExpressionResult) => {
        clearTimeout(timer);
        resolve(result);
        next();
      };
      const timer = setTimeout(() => {
        end();
        answer(TOO_LONG);
      }, LIMIT_MS);
      thread.onmessage = ({ data }: MessageEvent<ExpressionResult>) => answer(data);
      thread.onerror = () => {
        end();
        answer({ ok: false, error: { code: 'INTERNAL', path: '', message: 'This could not be evaluated here.' } });
      };
      thread.postMessage(request);
    });
  return {
    evaluate: (request: ExpressionRequest) =>
      new Promise<ExpressionResult>((resolve) => {
        tail = tail.then(() => run({ request, resolve }));
      }),
    end,
  };
}

function openEvaluationThread(): Worker {
  return new Worker(new URL('./evaluation-thread.ts', import.meta.url), { type: 'module' });
}
