import { type ExpressionRequest, evaluateExpressions } from '@millrace/workflow/expression';

// Expressions of the person who types them, in a thread that its page may end at any time.
self.onmessage = async ({ data }: MessageEvent<ExpressionRequest>) => {
  self.postMessage(await evaluateExpressions(data));
};
