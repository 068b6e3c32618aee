import { z } from 'zod';
import { Id } from '../ids.ts';
import { KeyPermission, Permission } from '../permissions.ts';
import { Done, defineContract, NextCursor, OrgParams, PageQuery, personText, Time } from './contract.ts';

const ApiKey = z.object({
  id: Id,
  organizationId: Id,
  name: z.string(),
  /** The last characters of the key. */
  keyHint: z.string(),
  permissions: z.array(Permission),
  createdByUserId: Id,
  createdAt: Time,
  expiresAt: Time.nullable(),
  /** To the minute. */
  lastUsedAt: Time.nullable(),
});

const Permissions = z
  .array(KeyPermission)
  .min(1, 'must name at least one permission')
  .max(KeyPermission.options.length, 'must not name a permission twice')
  .refine((names) => new Set(names).size === names.length, 'must not name a permission twice');
const base = { tag: 'API keys' } as const;

export const listApiKeys = defineContract({
  ...base,
  id: 'listApiKeys',
  method: 'GET',
  path: '/v1/orgs/:orgId/api-keys',
  summary: 'The API keys that were not revoked, expired ones included, newest first',
  auth: 'bearer',
  permission: 'api-key:read',
  params: OrgParams,
  query: PageQuery,
  status: 200,
  response: z.object({ apiKeys: z.array(ApiKey), nextCursor: NextCursor }),
});

export const createApiKey = defineContract({
  ...base,
  id: 'createApiKey',
  method: 'POST',
  path: '/v1/orgs/:orgId/api-keys',
  summary: 'Make an API key with at most the permissions of your own role; the key is shown this once',
  auth: 'session',
  permission: 'api-key:write',
  params: OrgParams,
  body: z.strictObject({ name: personText(100), permissions: Permissions, expiresAt: Time.nullable().optional() }),
  status: 201,
  response: z.object({ apiKey: ApiKey.extend({ key: z.string() }) }),
  errors: ['CONFLICT'],
});

export const revokeApiKey = defineContract({
  ...base,
  id: 'revokeApiKey',
  method: 'DELETE',
  path: '/v1/orgs/:orgId/api-keys/:apiKeyId',
  summary: 'Revoke an API key; its next request is refused',
  auth: 'session',
  permission: 'api-key:write',
  params: OrgParams.extend({ apiKeyId: Id }),
  status: 200,
  response: Done,
});
