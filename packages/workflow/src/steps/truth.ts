import { z } from 'zod';
import { isRecord, type Json } from '../json.ts';
import { parseTemplateString } from '../template.ts';

/** A question to data: one expression, or its answer. Any other text would always hold, which nobody means. */
export const Condition = z.union([z.boolean(), z.string().refine((text) => parseTemplateString(text).isWhole)], {
  error: 'A condition is one expression, "{% ... %}", or true or false: any other text would always hold.',
});

/** JSONata's `$boolean`: empty text, 0, null, empty objects and lists without a true item are false. */
export function isTruthy(value: Json | undefined): boolean {
  if (Array.isArray(value)) {
    return value.some(isTruthy);
  }
  return isRecord(value) ? Object.keys(value).length > 0 : Boolean(value);
}
