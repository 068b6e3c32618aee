import * as contracts from '@millrace/shared/contracts/organizations';
import type { FastifyInstance } from 'fastify';
import type { Deps } from '../../deps.ts';
import { route } from '../../http/route.ts';
import { deleteOrganization } from './delete.ts';
import { changeMemberRole, listMembers, removeMember, transferOrganization } from './members.ts';
import { createOrganization, getOrganization, getSlugAvailability, updateOrganization } from './service.ts';

export function serveOrganizations(app: FastifyInstance, deps: Deps): void {
  route(app, deps, contracts.createOrganization, (context, { body }) => createOrganization(context, body));
  route(app, deps, contracts.getSlugAvailability, (context, { query }) => getSlugAvailability(context, query.slug));
  route(app, deps, contracts.getOrganization, (context) => getOrganization(context));
  route(app, deps, contracts.updateOrganization, (context, { body }) => updateOrganization(context, body.name));
  route(app, deps, contracts.deleteOrganization, (context, { body }) => deleteOrganization(context, body.confirm));
  route(app, deps, contracts.transferOrganization, (context, { body }) => transferOrganization(context, body.memberId));
  route(app, deps, contracts.listMembers, (context) => listMembers(context));
  route(app, deps, contracts.changeMemberRole, (context, { params, body }) =>
    changeMemberRole(context, params.memberId, body.roleKey),
  );
  route(app, deps, contracts.removeMember, (context, { params }) => removeMember(context, params.memberId));
}
