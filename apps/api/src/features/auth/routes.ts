import * as contracts from '@millrace/shared/contracts/auth';
import type { FastifyInstance } from 'fastify';
import type { Deps } from '../../deps.ts';
import { authenticateSession, hasBearer } from '../../http/authenticate.ts';
import { type Http, route } from '../../http/route.ts';
import { clearRefreshCookie, readRefreshCookie, setRefreshCookie } from './cookies.ts';
import { verifyEmail } from './email-verification.ts';
import { forgotPassword, resetPassword } from './passwords.ts';
import {
  logIn,
  logOut,
  logOutAll,
  logOutAllByRefreshToken,
  logOutByRefreshToken,
  refreshSession,
  type SignedIn,
  signUp,
} from './service.ts';

export function serveAuth(app: FastifyInstance, deps: Deps): void {
  servePasswordSignIn(app, deps);
  serveSessionEnds(app, deps);
  serveMailedLinks(app, deps);
}

function servePasswordSignIn(app: FastifyInstance, deps: Deps): void {
  route(app, deps, contracts.signUp, async (context, { body }, http) =>
    answerSignedIn(deps, http, await signUp(context, body)),
  );
  route(app, deps, contracts.logIn, async (context, { body }, http) =>
    answerSignedIn(deps, http, await logIn(context, body)),
  );
  route(app, deps, contracts.refreshSession, async (context, _input, http) =>
    answerSignedIn(deps, http, await refreshSession(context, readRefreshCookie(deps.config, http.request))),
  );
}

/** With a bearer token that is the credential, right or wrong, and the cookie is not looked at. */
function serveSessionEnds(app: FastifyInstance, deps: Deps): void {
  const { config } = deps;
  route(app, deps, contracts.logOut, async (context, _input, { request, reply }) => {
    if (hasBearer(request)) await logOut(await authenticateSession(context, request));
    else await logOutByRefreshToken(context, readRefreshCookie(config, request));
    clearRefreshCookie(config, reply);
    return { ok: true as const };
  });
  route(app, deps, contracts.logOutAll, async (context, _input, { request, reply }) => {
    const revokedCount = hasBearer(request)
      ? await logOutAll(await authenticateSession(context, request))
      : await logOutAllByRefreshToken(context, readRefreshCookie(config, request));
    clearRefreshCookie(config, reply);
    return { ok: true as const, revokedCount };
  });
}

function serveMailedLinks(app: FastifyInstance, deps: Deps): void {
  route(app, deps, contracts.forgotPassword, (context, { body }) => forgotPassword(context, body));
  route(app, deps, contracts.resetPassword, (context, { body }) => resetPassword(context, body));
  route(app, deps, contracts.verifyEmail, (context, { body }) => verifyEmail(context, body));
}

function answerSignedIn(deps: Deps, { reply }: Http, { session, user, refresh }: SignedIn) {
  setRefreshCookie(deps.config, reply, refresh.refreshToken, refresh.maxAgeSec);
  return { session, user };
}
