import { z } from 'zod';
import { Id } from '../ids.ts';
import { Email } from './auth.ts';
import { Done, defineContract, NextCursor, OrgParams, PageQuery, Time } from './contract.ts';

const InvitedRole = z.enum(['admin', 'member']);

const Invitation = z.object({
  id: Id,
  organizationId: Id,
  email: z.string(),
  roleKey: InvitedRole,
  status: z.enum(['pending', 'accepted', 'revoked', 'expired']),
  expiresAt: Time,
  createdAt: Time,
});

const CreatedInvitation = z.object({ invitation: Invitation.extend({ token: z.string() }) });

export const createInvitation = defineContract({
  id: 'createInvitation',
  method: 'POST',
  path: '/v1/orgs/:orgId/invitations',
  summary: 'Invite somebody by e-mail; the token is mailed and shown this once',
  tag: 'Organizations',
  auth: 'bearer',
  permission: 'invitation:write',
  params: OrgParams,
  body: z.strictObject({ email: Email, roleKey: InvitedRole }),
  status: 201,
  response: CreatedInvitation,
  errors: ['CONFLICT', 'RATE_LIMITED'],
});

export const listInvitations = defineContract({
  id: 'listInvitations',
  method: 'GET',
  path: '/v1/orgs/:orgId/invitations',
  summary: 'The invitations that can still be accepted, newest first',
  tag: 'Organizations',
  auth: 'bearer',
  permission: 'invitation:read',
  params: OrgParams,
  query: PageQuery,
  status: 200,
  response: z.object({ invitations: z.array(Invitation), nextCursor: NextCursor }),
});

export const revokeInvitation = defineContract({
  id: 'revokeInvitation',
  method: 'DELETE',
  path: '/v1/orgs/:orgId/invitations/:invitationId',
  summary: 'Revoke an invitation',
  tag: 'Organizations',
  auth: 'bearer',
  permission: 'invitation:write',
  params: OrgParams.extend({ invitationId: Id }),
  status: 200,
  response: Done,
});

export const resendInvitation = defineContract({
  id: 'resendInvitation',
  method: 'POST',
  path: '/v1/orgs/:orgId/invitations/:invitationId/resend',
  summary: 'Mail an invitation again with a new token and a new expiry; the token before it stops working',
  tag: 'Organizations',
  auth: 'bearer',
  permission: 'invitation:write',
  params: OrgParams.extend({ invitationId: Id }),
  status: 200,
  response: CreatedInvitation,
  errors: ['CONFLICT', 'RATE_LIMITED'],
});

export const acceptInvitation = defineContract({
  id: 'acceptInvitation',
  method: 'POST',
  path: '/v1/invitations/:token/accept',
  summary: 'Join the organization; the signed-in e-mail must be the invited one',
  tag: 'Organizations',
  auth: 'session',
  rateLimit: 'link',
  params: z.strictObject({ token: z.string().min(1).max(200) }),
  status: 200,
  response: z.object({
    result: z.object({ invitationId: Id, organizationId: Id, membershipId: Id, accepted: z.literal(true) }),
  }),
  errors: ['INVITATION_EXPIRED', 'INVITATION_USED', 'FORBIDDEN', 'NOT_FOUND'],
});
