import type { ExpressionResult } from '@millrace/workflow/expression';
import { z } from 'zod';

const ResultShape = z.union([
  z.object({ ok: z.literal(true), value: z.array(z.unknown()) }),
  z.object({ ok: z.literal(false), error: z.object({ code: z.string(), path: z.string(), message: z.string() }) }),
]);

/** What a child answered; null when it is nothing that a child of ours says. */
export function readResult(text: string): ExpressionResult | null {
  try {
    const result: ExpressionResult = JSON.parse(text);
    return ResultShape.safeParse(result).success ? result : null;
  } catch {
    return null;
  }
}

export function failure(code: string, path: string, message: string): ExpressionResult {
  return { ok: false, error: { code, path, message } };
}
