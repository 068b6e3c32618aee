import { z } from 'zod';
import { Id } from '../ids.ts';
import { RoleKey } from '../permissions.ts';
import { Password, User } from './auth.ts';
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
    emailVerified: z.boolean(),
    hasPassword: z.boolean(),
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

export const changePassword = defineContract({
  id: 'changePassword',
  method: 'POST',
  path: '/v1/me/password',
  summary: 'Change the password; ends every other session',
  tag: 'Me',
  auth: 'session',
  userRateLimit: 'password-change',
  body: z.strictObject({ currentPassword: z.string().min(1).max(1024), newPassword: Password }),
  status: 200,
  response: Done.extend({ revokedCount: z.int() }),
  errors: ['RATE_LIMITED'],
});

export const sendVerification = defineContract({
  id: 'sendVerification',
  method: 'POST',
  path: '/v1/me/email/verification',
  summary: 'Send the mail that confirms the e-mail address again; the link before it stops working',
  tag: 'Me',
  auth: 'session',
  status: 200,
  response: Done,
  errors: ['RATE_LIMITED'],
});
