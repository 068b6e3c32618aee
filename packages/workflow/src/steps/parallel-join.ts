import { z } from 'zod';
import type { StepKind } from './kind.ts';

const Config = z
  .strictObject({
    mode: z.enum(['all', 'any', 'count']),
    count: z.int().min(1).optional(),
    cancelRest: z.boolean().optional(),
  })
  .refine(({ mode, count }) => (mode === 'count') === (count !== undefined), {
    path: ['count'],
    message: 'A count is required with mode "count" and not allowed with any other.',
  });

/** Brings parallel paths together; its output holds the outputs of the nodes that had arrived, by their id. */
export const parallelJoin: StepKind = {
  type: 'parallel.join',
  config: Config,
  literalKeys: ['mode', 'count', 'cancelRest'],
  isLiteral: true,
  branches: [],
  isOutput: true,
  run: ({ collected }) => ({ ok: true, output: { ...collected } }),
  gate: (config) => {
    const { mode, count, cancelRest } = Config.parse(config);
    const needed = mode === 'all' ? 'all' : (count ?? 1);
    return { needed, cancelRest: cancelRest ?? false };
  },
};
