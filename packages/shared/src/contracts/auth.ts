import { z } from 'zod';
import { Id } from '../ids.ts';
import { Done, defineContract, personText, Time } from './contract.ts';

/** Case-folded and trimmed once here, so that equality of addresses is equality of strings everywhere else. */
export const Email = z
  .string()
  .trim()
  .max(254, 'must be at most 254 characters')
  .toLowerCase()
  .pipe(z.email('must be an e-mail address'));

/** 8 to 256 characters after NFC, so that one password typed on two keyboards is one password; no composition rules. */
export const Password = z
  .string()
  .max(1024, 'must be at most 256 characters')
  .refine((value) => value.isWellFormed() && !value.includes('\u0000'), 'must be well-formed text without NUL')
  .transform((value) => value.normalize('NFC'))
  .pipe(z.string().min(8, 'must be at least 8 characters').max(256, 'must be at most 256 characters'));

export const Session = z
  .object({
    token: z.string(),
    tokenType: z.literal('access'),
    sessionId: Id,
    userId: Id,
    email: z.string(),
    issuedAt: z.int(),
    expiresAt: z.int(),
  })
  .meta({ id: 'Session' });
export type Session = z.infer<typeof Session>;

export const User = z
  .object({ id: Id, email: z.string(), displayName: z.string().nullable(), createdAt: Time })
  .meta({ id: 'User' });
export type User = z.infer<typeof User>;

/** As it stands in the fragment of a link that was mailed. */
const MailedToken = z.string().min(1).max(200);

const SignedIn = z.object({ session: Session, user: User });
const Provider = z.strictObject({ provider: z.enum(['google', 'github']) });
const Mode = z.enum(['json']).optional();

export const signUp = defineContract({
  id: 'signUp',
  method: 'POST',
  path: '/v1/auth/signup',
  summary: 'Create a user and sign in',
  tag: 'Auth',
  auth: 'public',
  rateLimit: 'sign-in',
  body: z.strictObject({ email: Email, password: Password, displayName: personText(100).optional() }),
  status: 201,
  response: SignedIn,
  errors: ['CONFLICT', 'RATE_LIMITED'],
});

export const logIn = defineContract({
  id: 'logIn',
  method: 'POST',
  path: '/v1/auth/login',
  summary: 'Sign in with e-mail and password',
  tag: 'Auth',
  auth: 'public',
  rateLimit: 'sign-in',
  body: z.strictObject({ email: Email, password: z.string().min(1).max(1024) }),
  status: 200,
  response: SignedIn,
  errors: ['UNAUTHORIZED', 'RATE_LIMITED'],
});

export const refreshSession = defineContract({
  id: 'refreshSession',
  method: 'POST',
  path: '/v1/auth/refresh',
  summary: 'Exchange the refresh cookie for a new access token; the cookie is rotated',
  tag: 'Auth',
  auth: 'cookie',
  status: 200,
  response: SignedIn,
  errors: ['FORBIDDEN'],
});

export const logOut = defineContract({
  id: 'logOut',
  method: 'POST',
  path: '/v1/auth/logout',
  summary: 'End this session; its access token stops working at once',
  tag: 'Auth',
  auth: 'bearer-or-cookie',
  status: 200,
  response: Done,
  errors: ['FORBIDDEN'],
});

export const logOutAll = defineContract({
  id: 'logOutAll',
  method: 'POST',
  path: '/v1/auth/logout-all',
  summary: 'End every session of this user',
  tag: 'Auth',
  auth: 'bearer-or-cookie',
  status: 200,
  response: Done.extend({ revokedCount: z.int() }),
  errors: ['FORBIDDEN'],
});

export const forgotPassword = defineContract({
  id: 'forgotPassword',
  method: 'POST',
  path: '/v1/auth/password/forgot',
  summary:
    'Ask for a mail with a link that sets a new password; the answer is the same whether or not there is an account',
  tag: 'Auth',
  auth: 'public',
  body: z.strictObject({ email: Email }),
  status: 200,
  response: Done,
  errors: ['RATE_LIMITED'],
});

export const resetPassword = defineContract({
  id: 'resetPassword',
  method: 'POST',
  path: '/v1/auth/password/reset',
  summary: 'Set a new password with the token of a mailed link; ends every session',
  tag: 'Auth',
  auth: 'public',
  body: z.strictObject({ token: MailedToken, password: Password }),
  status: 200,
  response: Done,
  errors: ['TOKEN_INVALID', 'RATE_LIMITED'],
});

export const verifyEmail = defineContract({
  id: 'verifyEmail',
  method: 'POST',
  path: '/v1/auth/email/verify',
  summary: 'Confirm an e-mail address with the token of a mailed link',
  tag: 'Auth',
  auth: 'public',
  body: z.strictObject({ token: MailedToken }),
  status: 200,
  response: Done,
  errors: ['TOKEN_INVALID', 'RATE_LIMITED'],
});

export const startOAuth = defineContract({
  id: 'startOAuth',
  method: 'GET',
  path: '/v1/auth/oauth/:provider/start',
  summary: 'Begin a sign-in with google or github',
  tag: 'Auth',
  auth: 'public',
  rateLimit: 'link',
  params: Provider,
  query: z.strictObject({ mode: Mode, returnTo: z.string().max(2000).optional() }),
  status: 200,
  response: z.object({ provider: z.string(), authorizationUrl: z.url() }),
  errors: ['OAUTH_PROVIDER_NOT_CONFIGURED'],
});

export const finishOAuth = defineContract({
  id: 'finishOAuth',
  method: 'GET',
  path: '/v1/auth/oauth/:provider/callback',
  summary: 'Where the provider sends the browser back',
  tag: 'Auth',
  auth: 'public',
  rateLimit: 'link',
  params: Provider,
  // Providers add parameters of their own (scope, authuser, iss, ...), so this query alone is not strict.
  query: z.object({ code: z.string().max(4000).optional(), state: z.string().max(400).optional(), mode: Mode }),
  status: 200,
  response: SignedIn.extend({ provider: z.string() }),
  errors: ['OAUTH_PROVIDER_NOT_CONFIGURED'],
});
