import type { OAuthProvider, User } from '@millrace/shared/contracts/auth';
import type { PublicContext, SessionContext } from '../../context.ts';
import type { SignedIn } from '../auth/service.ts';
import { type CallbackQuery, readCallback } from './callback.ts';
import { randomText } from './flow-secrets.ts';
import { openFlow, takeFlow } from './flows.ts';
import { linkTo } from './identities.ts';
import type { ProviderClient } from './provider.ts';
import { refuse } from './refusals.ts';
import { toReturnPath } from './return-path.ts';
import { signInAs } from './sign-in.ts';

export interface StartedOAuth {
  authorizationUrl: string;
  /** The value of the cookie that ties the sign-in to this browser. */
  browser: string;
}

export interface FinishedOAuth {
  /** A sign-in, or the user an identity was linked to. */
  outcome: { signedIn: SignedIn } | { linkedTo: User };
  returnPath: string;
}

/**
 * Begins a sign-in, or with a `linksFor` the linking of the provider to an account. `browser` is the value of the cookie
 * that this browser has already: attempts in several tabs share it. Refuses when too many are under way.
 */
export async function startOAuth(
  context: PublicContext,
  provider: OAuthProvider,
  input: { returnTo: string | undefined; browser: string | undefined; linksFor: SessionContext | null },
): Promise<StartedOAuth> {
  const client = clientOf(context, provider);
  const browser = input.browser ?? randomText();
  const attempt = { state: randomText(), verifier: randomText(), nonce: provider === 'google' ? randomText() : null };
  const authorizationUrl = await client.authorizationUrl(attempt);
  const returnPath = toReturnPath(input.returnTo, context.deps.config.WEB_BASE_URL);
  await openFlow(context, { ...attempt, provider, browser, returnPath, linksFor: input.linksFor });
  return { authorizationUrl, browser };
}

/**
 * Ends what `startOAuth` began, on whichever instance. The order counts: the request itself, then the flow, which is used
 * up whatever comes next, then the provider, then our accounts. Refuses with a reason of its own at each step.
 */
export async function finishOAuth(
  context: PublicContext,
  provider: OAuthProvider,
  input: { query: CallbackQuery; browser: string | undefined },
): Promise<FinishedOAuth> {
  const callback = readCallback(input.query);
  const client = clientOf(context, provider);
  const state = callback.requireState();
  if (input.browser === undefined) throw refuse('browser_unknown');
  const flow = await takeFlow(context, { state, browser: input.browser, provider });
  const person = await client.identify(callback.requireCode(), flow);
  const { returnPath, linksFor } = flow;
  if (linksFor) return { outcome: { linkedTo: await linkTo(context, linksFor, { provider, person }) }, returnPath };
  return { outcome: { signedIn: await signInAs(context, { provider, person }) }, returnPath };
}

function clientOf({ deps }: PublicContext, provider: OAuthProvider): ProviderClient {
  const client = deps.oauth[provider];
  if (!client) throw refuse('provider_not_configured');
  return client;
}
