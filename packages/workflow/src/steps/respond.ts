import { z } from 'zod';
import { isRecord } from '../json.ts';
import type { StepKind } from './kind.ts';

const Config = z.strictObject({
  status: z.int().min(200).max(599).optional(),
  headers: z.record(z.string(), z.string()).optional(),
  body: z.unknown().optional(),
});

/** Says what whoever started the run is answered; its output is that answer. The host delivers the first one. */
export const respond: StepKind = {
  type: 'respond',
  config: Config,
  literalKeys: ['status'],
  branches: [],
  isOutput: false,
  run: ({ config }) => {
    const { status, headers, body } = isRecord(config) ? config : {};
    return { ok: true, output: { status: status ?? 200, headers: headers ?? {}, body: body ?? null } };
  },
};
