import * as contracts from '@millrace/shared/contracts/invitations';
import type { FastifyInstance } from 'fastify';
import type { Deps } from '../../deps.ts';
import { route } from '../../http/route.ts';
import { acceptInvitation } from './accept.ts';
import { createInvitation, listInvitations, resendInvitation, revokeInvitation } from './service.ts';

export function serveInvitations(app: FastifyInstance, deps: Deps): void {
  route(app, deps, contracts.createInvitation, (context, { body }) => createInvitation(context, body));
  route(app, deps, contracts.listInvitations, (context, { query }) => listInvitations(context, query));
  route(app, deps, contracts.revokeInvitation, (context, { params }) => revokeInvitation(context, params.invitationId));
  route(app, deps, contracts.resendInvitation, (context, { params }) => resendInvitation(context, params.invitationId));
  route(app, deps, contracts.acceptInvitation, (context, { params }) => acceptInvitation(context, params.token));
}
