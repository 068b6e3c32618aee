import { z } from 'zod';
import { checkBounds } from './bounds.ts';
import { hasExpression } from './template.ts';
import { Trigger } from './triggers/registry.ts';

/** What the id of a node looks like; it becomes a step key and a name in expressions. */
export const NODE_ID = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** Most nodes and edges of one document. */
export const MAX_NODES = 1000;
export const MAX_EDGES = 5000;
const HOUR_MS = 3_600_000;
/** The longest anything may be waited for: a year, in milliseconds. */
export const MAX_WAIT_MS = 366 * 24 * HOUR_MS;

/** A label for people. It is never evaluated, so an expression in it would be a mistake. */
const Label = z
  .string()
  .min(1)
  .max(200)
  .refine((text) => !hasExpression(text), {
    message: 'Expressions are not allowed here.',
    params: { code: 'EXPRESSION_NOT_ALLOWED' },
  });

/** All times in milliseconds; `maxAttempts` counts the first attempt too. */
const Retry = z.strictObject({
  maxAttempts: z.int().min(1).max(100).optional(),
  backoffMs: z
    .int()
    .min(0)
    .max(24 * HOUR_MS)
    .optional(),
  factor: z.number().min(1).max(10).optional(),
  maxBackoffMs: z
    .int()
    .min(0)
    .max(7 * 24 * HOUR_MS)
    .optional(),
  jitter: z.boolean().optional(),
  on: z
    .array(z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/))
    .min(1)
    .max(50)
    .optional(),
});

export const Node = z.strictObject({
  id: z.string().regex(NODE_ID, { message: 'An id starts with a letter and has at most 64 letters, digits, - or _.' }),
  type: z.string(),
  name: Label.optional(),
  config: z.record(z.string(), z.unknown()),
  retry: Retry.optional(),
  timeoutMs: z.int().min(1).max(HOUR_MS).optional(),
  onError: z.enum(['fail', 'continue', 'branch']).optional(),
  idempotency: z.enum(['key', 'natural', 'none']).optional(),
});

export type DefinitionNode = z.infer<typeof Node>;

export const Edge = z.strictObject({ from: z.string(), to: z.string(), branch: z.string().optional() });

/** The body of a loop: a small document of its own, that sees what its loop sees. */
export const Body = z.strictObject({
  nodes: z.array(Node).min(1).max(MAX_NODES),
  edges: z.array(Edge).max(MAX_EDGES).optional(),
  output: z.unknown().optional(),
});

/** `timeoutMs` is how long a run may take, and again `onFailure`, which runs after a run failed. `concurrency` limits runs at a time. */
const Settings = z.strictObject({
  timeoutMs: z.int().min(1).max(MAX_WAIT_MS).optional(),
  onFailure: Body.omit({ output: true }).optional(),
  concurrency: z
    .strictObject({
      limit: z.int().min(1).max(1000),
      key: z.string().min(1).optional(),
      whenFull: z.enum(['queue', 'skip', 'cancelOldest']),
    })
    .optional(),
});

/**
 * The shape of a document, version 2 of the language. The shape alone does not make a document valid: see
 * `validateDefinition`, the only way to obtain a WorkflowDefinition.
 */
export const WorkflowDefinition = z.strictObject({
  version: z.literal('v2', { error: 'This program reads documents of version "v2".' }),
  trigger: Trigger,
  nodes: z.array(Node).min(1).max(MAX_NODES),
  edges: z.array(Edge).max(MAX_EDGES).optional(),
  output: z.unknown().optional(),
  constants: z.record(z.string(), z.unknown()).optional(),
  settings: Settings.optional(),
});

export type WorkflowDefinition = z.infer<typeof WorkflowDefinition>;
export type RetryOptions = z.infer<typeof Retry>;

/** A document while it is being edited: any JSON object of bounded size, however incomplete. */
export const Draft = z.record(z.string(), z.unknown()).refine((draft) => checkBounds(draft).problems.length === 0, {
  message: 'The document is too large, nests too deeply or has a key named __proto__.',
});
