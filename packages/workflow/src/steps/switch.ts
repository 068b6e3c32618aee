import { z } from 'zod';
import { isRecord, type Json } from '../json.ts';
import type { StepKind } from './kind.ts';
import { Condition, isTruthy } from './truth.ts';

const DEFAULT = 'default';
const RESERVED = new Set([DEFAULT, 'error']);

const CaseName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, {
    message: 'The name of a case starts with a letter and has at most 64 letters, digits, - or _.',
  })
  .refine((name) => !RESERVED.has(name), { message: 'This name is a branch that every switch has.' });

const Config = z.strictObject({
  cases: z
    .array(z.strictObject({ name: CaseName, if: Condition }))
    .min(1)
    .max(100)
    .refine((cases) => new Set(cases.map(({ name }) => name)).size === cases.length, {
      message: 'Each case needs a name of its own.',
    }),
});

/** Takes the branch of the first case whose condition holds, else `default`; its output is the name of that branch. */
export const switchKind: StepKind = {
  type: 'switch',
  config: Config,
  literalKeys: [],
  branches: [DEFAULT],
  namedBranches: (config) => listCases(config).flatMap(({ name }) => (typeof name === 'string' ? [name] : [])),
  isOutput: false,
  run: ({ config }) => {
    const match = listCases(config).find((item) => isTruthy(item.if as Json | undefined));
    const branch = typeof match?.name === 'string' ? match.name : DEFAULT;
    return { ok: true, output: branch, branch };
  },
};

function listCases(config: unknown): Record<string, unknown>[] {
  return isRecord(config) && Array.isArray(config.cases) ? config.cases.filter(isRecord) : [];
}
