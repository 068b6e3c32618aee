import { z } from 'zod';
import { isRecord } from '../json.ts';
import type { StepKind } from './kind.ts';

const DEFAULT_CODE = 'FAILED';

const Config = z.strictObject({
  code: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]{0,63}$/, { message: 'A code is written in capitals, such as ORDER_REFUSED.' })
    .optional(),
  message: z.string().min(1).max(10_000),
});

/** Fails with a code and a message of the document's own; it is never tried again, and its `onError` decides. */
export const fail: StepKind = {
  type: 'fail',
  config: Config,
  literalKeys: ['code'],
  branches: [],
  isOutput: true,
  run: ({ config }) => {
    const { code, message } = isRecord(config) ? config : {};
    return {
      ok: false,
      error: {
        code: typeof code === 'string' ? code : DEFAULT_CODE,
        message: typeof message === 'string' ? message : (JSON.stringify(message) ?? ''),
        retryable: false,
      },
    };
  },
};
