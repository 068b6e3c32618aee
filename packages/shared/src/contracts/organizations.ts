import { z } from 'zod';
import { Id } from '../ids.ts';
import { RoleKey } from '../permissions.ts';
import { Done, defineContract, OrgParams, personText, Time } from './contract.ts';

const Slug = z.string().regex(/^[a-z0-9-]{3,50}$/, 'must be 3 to 50 characters of a-z, 0-9 and -');

export const Organization = z
  .object({ id: Id, slug: z.string(), name: z.string(), createdAt: Time })
  .meta({ id: 'Organization' });
export type Organization = z.infer<typeof Organization>;

export const Membership = z
  .object({
    id: Id,
    organizationId: Id,
    userId: Id,
    roleKey: RoleKey,
    createdAt: Time,
  })
  .meta({ id: 'Membership' });
export type Membership = z.infer<typeof Membership>;

const Member = z.object({
  userId: Id,
  email: z.string(),
  displayName: z.string().nullable(),
  roleKey: RoleKey,
  createdAt: Time,
});
const Count = z.int().min(0);
/** What went with an organization, per noun that people know. */
const DeletedRows = z.object({
  members: Count,
  invitations: Count,
  workflows: Count,
  runs: Count,
  variables: Count,
  apiKeys: Count,
  auditEntries: Count,
});
export type DeletedRows = z.infer<typeof DeletedRows>;

const MemberParams = OrgParams.extend({ memberId: Id });

export const createOrganization = defineContract({
  id: 'createOrganization',
  method: 'POST',
  path: '/v1/orgs',
  summary: 'Create an organization; the caller becomes its owner',
  tag: 'Organizations',
  auth: 'session',
  body: z.strictObject({ name: personText(120), slug: Slug }),
  status: 201,
  response: z.object({ organization: Organization, membership: Membership }),
  errors: ['CONFLICT'],
});

export const getSlugAvailability = defineContract({
  id: 'getSlugAvailability',
  method: 'GET',
  path: '/v1/orgs/slug-availability',
  summary: "Whether a new organization could have this slug now; it is nobody's until one is created with it",
  tag: 'Organizations',
  auth: 'session',
  query: z.strictObject({ slug: Slug }),
  status: 200,
  response: z.object({ slug: z.string(), available: z.boolean() }),
  userRateLimit: 'slug-check',
});

export const getOrganization = defineContract({
  id: 'getOrganization',
  method: 'GET',
  path: '/v1/orgs/:orgId',
  summary: 'Read the organization',
  tag: 'Organizations',
  auth: 'bearer',
  permission: 'org:read',
  params: OrgParams,
  status: 200,
  response: z.object({ organization: Organization }),
});

export const updateOrganization = defineContract({
  id: 'updateOrganization',
  method: 'PATCH',
  path: '/v1/orgs/:orgId',
  summary: 'Rename the organization',
  tag: 'Organizations',
  auth: 'bearer',
  permission: 'org:update',
  params: OrgParams,
  body: z.strictObject({ name: personText(120).optional() }),
  status: 200,
  response: z.object({ organization: Organization }),
});

export const deleteOrganization = defineContract({
  id: 'deleteOrganization',
  method: 'DELETE',
  path: '/v1/orgs/:orgId',
  summary: 'Delete the organization with all that belongs to it; confirm with its slug',
  tag: 'Organizations',
  auth: 'session',
  permission: 'org:delete',
  params: OrgParams,
  body: z.strictObject({ confirm: z.string().max(50) }),
  status: 200,
  response: Done.extend({ deleted: DeletedRows }),
});

export const transferOrganization = defineContract({
  id: 'transferOrganization',
  method: 'POST',
  path: '/v1/orgs/:orgId/transfer',
  summary: 'Make another member the owner; the caller becomes an admin',
  tag: 'Organizations',
  auth: 'session',
  permission: 'org:transfer',
  params: OrgParams,
  body: z.strictObject({ memberId: Id }),
  status: 200,
  response: z.object({ membership: Membership, previousOwner: Membership }),
  errors: ['LAST_OWNER'],
});

export const listMembers = defineContract({
  id: 'listMembers',
  method: 'GET',
  path: '/v1/orgs/:orgId/members',
  summary: 'The members and their roles',
  tag: 'Organizations',
  auth: 'bearer',
  permission: 'member:read',
  params: OrgParams,
  status: 200,
  response: z.object({ members: z.array(Member) }),
});

export const changeMemberRole = defineContract({
  id: 'changeMemberRole',
  method: 'POST',
  path: '/v1/orgs/:orgId/members/:memberId/role',
  summary: "Change a member's role; only owners make owners",
  tag: 'Organizations',
  auth: 'bearer',
  permission: 'member:change-role',
  params: MemberParams,
  body: z.strictObject({ roleKey: RoleKey }),
  status: 200,
  response: z.object({ membership: Membership }),
  errors: ['LAST_OWNER'],
});

export const removeMember = defineContract({
  id: 'removeMember',
  method: 'DELETE',
  path: '/v1/orgs/:orgId/members/:memberId',
  summary: 'Remove a member, or leave',
  tag: 'Organizations',
  auth: 'bearer',
  permission: 'member:remove',
  params: MemberParams,
  status: 200,
  response: Done,
  errors: ['LAST_OWNER'],
});
