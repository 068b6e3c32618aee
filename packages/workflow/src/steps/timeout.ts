import { isRecord } from '../json.ts';
import type { WaitFor, WaitInput, WaitResult } from './kind.ts';

/** A wait that lasts as long as it takes, or `timeoutMs` of the config. */
export function waitResult(what: WaitFor, { config, at }: WaitInput): WaitResult {
  const timeoutMs = isRecord(config) ? config.timeoutMs : undefined;
  return { ok: true, for: what, dueAt: typeof timeoutMs === 'number' ? at + timeoutMs : null };
}
