import type { finishOAuth } from '@millrace/shared/contracts/auth';
import type { ContractQuery } from '@millrace/shared/contracts/contract';
import type { ProviderCallback } from './provider.ts';
import { refuse } from './refusals.ts';

export type CallbackQuery = ContractQuery<typeof finishOAuth>;

interface Callback {
  /** What the flow is found by. Refuses without one that can be ours. */
  requireState(): string;
  /** What the provider gave. Refuses when it reports an error instead. */
  requireCode(): ProviderCallback;
}

const LONGEST = { code: 4_000, state: 400, iss: 2_000, error: 200, mode: 10 };

/** The query of a callback. Refuses one in which a parameter is repeated or too long. */
export function readCallback(query: CallbackQuery): Callback {
  const [code, state, iss, error] = (['code', 'state', 'iss', 'error'] as const).map((name) => readOne(query, name));
  const mode = readOne(query, 'mode');
  if (mode !== undefined && mode !== 'json') throw refuse('mode_unknown');
  return {
    requireState: () => {
      if (!state) throw refuse('state_missing');
      if (!/^[A-Za-z0-9_-]{43}$/.test(state)) throw refuse('state_malformed');
      return state;
    },
    requireCode: () => {
      if (error !== undefined) throw refuse(error === 'access_denied' ? 'provider_denied' : 'provider_error');
      if (!code) throw refuse('code_missing');
      return { code, iss };
    },
  };
}

function readOne(query: CallbackQuery, name: keyof typeof LONGEST): string | undefined {
  const value = query[name];
  if (Array.isArray(value)) throw refuse('parameter_repeated');
  if (value !== undefined && value.length > LONGEST[name]) throw refuse('parameter_too_long');
  return value;
}
