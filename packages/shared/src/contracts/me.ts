import { z } from 'zod';
import { Id } from '../ids.ts';
import { RoleKey } from '../permissions.ts';
import { User } from './auth.ts';
import { Done, defineContract, Time } from './contract.ts';
import { Organization } from './organizations.ts';

const SessionInfo = z.object({
  id: Id,
  isCurrent: z.boolean(),
  /** As a person would name it, made from the user agent. */
  device: z.string(),
  userAgent: z.string().nullable(),
  ipAddress: z.string().nullable(),
  createdAt: Time,
  lastUsedAt: Time,
  expiresAt: Time,
});

export const getMe = defineContract({
  id: 'getMe',
  method: 'GET',
  path: '/v1/me',
  summary: 'The signed-in user and their organizations',
  tag: 'Me',
  auth: 'bearer',
  status: 200,
  response: z.object({
    user: User,
    memberships: z.array(z.object({ organization: Organization, roleKey: RoleKey })),
  }),
});

export const listSessions = defineContract({
  id: 'listSessions',
  method: 'GET',
  path: '/v1/me/sessions',
  summary: "The caller's active sessions",
  tag: 'Me',
  auth: 'session',
  status: 200,
  response: z.object({ sessions: z.array(SessionInfo) }),
});

export const revokeSession = defineContract({
  id: 'revokeSession',
  method: 'DELETE',
  path: '/v1/me/sessions/:sessionId',
  summary: "End one of the caller's sessions",
  tag: 'Me',
  auth: 'session',
  params: z.strictObject({ sessionId: Id }),
  status: 200,
  response: Done,
  errors: ['NOT_FOUND'],
});
