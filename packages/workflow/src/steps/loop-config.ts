import { z } from 'zod';
import { Body } from '../definition.ts';
import { JSONATA_FUNCTIONS } from '../jsonata-functions.ts';
import { ROOT_NAMES } from '../names.ts';

/** Most iterations of a loop, and most of them at a time. */
export const MAX_ITERATIONS = 10_000;
const MAX_CONCURRENCY = 100;

const isFree = (name: string) => !ROOT_NAMES.has(name) && !JSONATA_FUNCTIONS.has(name) && name !== 'error';

const Name = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9]{0,31}$/, {
    message: 'A name has at most 32 letters and digits and starts with a letter.',
  })
  .refine((name) => isFree(name) && isFree(`${name}Index`), { message: 'This name already means something else.' });

/** What every loop has in its config. */
export const LOOP_KEYS = {
  body: Body,
  as: Name.optional(),
  onItemError: z.enum(['fail', 'collect']).optional(),
};

export const Concurrency = z.int().min(1).max(MAX_CONCURRENCY);

const Loop = z.looseObject({ ...LOOP_KEYS, concurrency: Concurrency.optional(), until: z.unknown().optional() });

export type LoopConfig = {
  readonly body: z.infer<typeof Body>;
  readonly as: string;
  readonly concurrency: number;
  readonly onItemError: 'fail' | 'collect';
  /** The condition of a repeat; undefined for a foreach. */
  readonly until: unknown;
  /** What is left: evaluated when the loop starts. */
  readonly own: Readonly<Record<string, unknown>>;
};

/** The name of the item of a loop that gives none. */
export const DEFAULT_ITEM_NAME = 'item';

/** Reads a valid config of a loop. */
export function readLoop(config: Readonly<Record<string, unknown>>): LoopConfig {
  const { body, until, as, concurrency, onItemError, ...own } = Loop.parse(config);
  return {
    body,
    as: as ?? DEFAULT_ITEM_NAME,
    concurrency: concurrency ?? 1,
    onItemError: onItemError ?? 'fail',
    until,
    own,
  };
}
