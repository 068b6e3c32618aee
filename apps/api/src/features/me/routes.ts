import * as contracts from '@millrace/shared/contracts/me';
import type { FastifyInstance } from 'fastify';
import type { Deps } from '../../deps.ts';
import { route } from '../../http/route.ts';
import { sendVerification } from '../auth/email-verification.ts';
import { changePassword } from '../auth/passwords.ts';
import { endSession, getMe, listSessions } from './service.ts';

export function serveMe(app: FastifyInstance, deps: Deps): void {
  route(app, deps, contracts.getMe, (context) => getMe(context));
  route(app, deps, contracts.listSessions, (context) => listSessions(context));
  route(app, deps, contracts.revokeSession, (context, { params }) => endSession(context, params.sessionId));
  route(app, deps, contracts.changePassword, (context, { body }) => changePassword(context, body));
  route(app, deps, contracts.sendVerification, (context) => sendVerification(context));
}
