import * as contracts from '@millrace/shared/contracts/auth';
import * as identities from '@millrace/shared/contracts/identities';
import { oauthCallbackFailed } from '@millrace/shared/events';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Deps } from '../../deps.ts';
import { answerError, logFailure, toAppError } from '../../http/errors.ts';
import { loggablePath } from '../../http/request-path.ts';
import { type Http, route } from '../../http/route.ts';
import { setRefreshCookie } from '../auth/cookies.ts';
import { readFlowCookie, setFlowCookie } from './flow-cookie.ts';
import { listIdentities, unlinkIdentity } from './identities.ts';
import { reasonOf, refusalOf } from './refusals.ts';
import { toWebUrl } from './return-path.ts';
import { type FinishedOAuth, finishOAuth, type StartedOAuth, startOAuth } from './service.ts';

export function serveOAuth(app: FastifyInstance, deps: Deps): void {
  serveSignIn(app, deps);
  serveIdentities(app, deps);
}

/** A person's browser is at both ends, so a failure has to be a page that it can show. */
function serveSignIn(app: FastifyInstance, deps: Deps): void {
  const answerFailure = (error: unknown, request: FastifyRequest, reply: FastifyReply) =>
    answerOAuthFailure(deps, error, request, reply);
  route(app, deps, contracts.listSignInProviders, async () => ({
    providers: contracts.OAuthProvider.options.filter((provider) => deps.oauth[provider] !== undefined),
  }));
  route(
    app,
    deps,
    contracts.startOAuth,
    async (context, { params: { provider }, query }, http) => {
      const browser = readFlowCookie(deps.config, http.request);
      const started = await startOAuth(context, provider, { returnTo: query.returnTo, browser, linksFor: null });
      const answer = answerStarted(deps, http, provider, started);
      return query.mode === 'json' ? answer : http.reply.redirect(started.authorizationUrl, 302);
    },
    { answerFailure },
  );
  route(
    app,
    deps,
    contracts.finishOAuth,
    async (context, { params: { provider }, query }, http) => {
      const browser = readFlowCookie(deps.config, http.request);
      const finished = await finishOAuth(context, provider, { query, browser });
      const answer = answerFinished(deps, http, provider, finished);
      if (query.mode === 'json') return answer;
      return http.reply.redirect(toWebUrl(deps.config.WEB_BASE_URL, finished.returnPath), 302);
    },
    { answerFailure },
  );
}

function serveIdentities(app: FastifyInstance, deps: Deps): void {
  route(app, deps, identities.listIdentities, (context) => listIdentities(context));
  route(app, deps, identities.linkIdentity, async (context, { params: { provider }, query }, http) => {
    const browser = readFlowCookie(deps.config, http.request);
    const started = await startOAuth(context, provider, { returnTo: query.returnTo, browser, linksFor: context });
    return answerStarted(deps, http, provider, started);
  });
  route(app, deps, identities.unlinkIdentity, (context, { params }) => unlinkIdentity(context, params.provider));
}

function answerStarted(deps: Deps, { reply }: Http, provider: contracts.OAuthProvider, started: StartedOAuth) {
  setFlowCookie(deps.config, reply, started.browser);
  return { provider, authorizationUrl: started.authorizationUrl };
}

function answerFinished(deps: Deps, { reply }: Http, provider: contracts.OAuthProvider, { outcome }: FinishedOAuth) {
  if ('linkedTo' in outcome) return { user: outcome.linkedTo, provider, linked: true as const };
  const { session, user, refresh } = outcome.signedIn;
  setRefreshCookie(deps.config, reply, refresh.refreshToken, refresh.maxAgeSec);
  return { session, user, provider };
}

/**
 * The one place that logs why a sign-in at a provider failed. A program gets the error; a browser that navigates is sent
 * to the web app with the code alone, nothing of what came in.
 */
function answerOAuthFailure(deps: Deps, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const appError = toAppError(error);
  const isCallback = request.routeOptions.url === contracts.finishOAuth.path;
  if (isCallback || refusalOf(error))
    oauthCallbackFailed(deps.log, {
      requestId: request.id,
      provider:
        contracts.OAuthProvider.safeParse((request.params as { provider?: unknown }).provider).data ?? 'unknown',
      reasonCode: reasonOf(error, appError.code),
      path: loggablePath(request),
    });
  if (!isNavigation(request)) return answerError(error, request, reply);
  logFailure(error, appError, request);
  return reply.redirect(`${toWebUrl(deps.config.WEB_BASE_URL, '/sign-in')}#error=${appError.code}`, 302);
}

function isNavigation(request: FastifyRequest): boolean {
  if ((request.query as { mode?: unknown } | undefined)?.mode === 'json') return false;
  return (request.headers.accept ?? '').includes('text/html');
}
