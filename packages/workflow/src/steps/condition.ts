import { z } from 'zod';
import { isRecord, type Json } from '../json.ts';
import { parseTemplateString } from '../template.ts';
import type { StepKind } from './kind.ts';

const Condition = z.custom<string | boolean>(
  (value) => typeof value === 'boolean' || (typeof value === 'string' && parseTemplateString(value).isWhole),
  { message: 'A condition is one expression, "{% ... %}", or true or false: any other text would always hold.' },
);

/** Takes the branch `true` or `false`; its output is that boolean. No value counts as false. */
export const condition: StepKind = {
  type: 'condition',
  config: z.strictObject({ if: Condition }),
  literalKeys: [],
  branches: ['true', 'false'],
  isOutput: false,
  run: ({ config }) => {
    const holds = isRecord(config) && isTruthy(config.if);
    return { output: holds, branch: String(holds) };
  },
};

/** JSONata's `$boolean`: empty text, 0, null, empty objects and lists without a true item are false. */
function isTruthy(value: Json | undefined): boolean {
  if (Array.isArray(value)) {
    return value.some(isTruthy);
  }
  return isRecord(value) ? Object.keys(value).length > 0 : Boolean(value);
}
