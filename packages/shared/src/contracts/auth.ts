import { z } from 'zod';
import { Id } from '../ids.ts';
import { Done, defineContract, personText, Time } from './contract.ts';

/**
 * Case-folded and trimmed once here, so that equality of addresses is equality of strings everywhere else. ASCII before it
 * is folded: the Kelvin sign folds to the letter k, which would make one person's address of another's.
 */
export const Email = z
  .string()
  .trim()
  .regex(/^[\x21-\x7e]*$/, 'must be an e-mail address')
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
export const OAuthProvider = z.enum(['google', 'github']);
export type OAuthProvider = z.infer<typeof OAuthProvider>;
export const ProviderParams = z.strictObject({ provider: OAuthProvider });
/** Where the web app goes on after a sign-in; anything but a path of its own counts as `/`. */
export const ReturnTo = z.string().max(2000).optional();
/** What a provider sends is judged by the use case, which logs its refusal: here it may arrive twice or at any length. */
const FromProvider = z.union([z.string(), z.array(z.string())]).optional();
/** Where to send the browser. */
export const OAuthStart = z.object({ provider: OAuthProvider, authorizationUrl: z.url() });

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
  rateLimit: 'link',
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
  rateLimit: 'link',
  body: z.strictObject({ token: MailedToken, password: Password }),
  status: 200,
  response: Done,
  errors: ['TOKEN_INVALID', 'RATE_LIMITED'],
});

export const verifyEmail = defineContract({
  id: 'verifyEmail',
  method: 'POST',
  path: '/v1/auth/email/verify',
  summary: "Confirm the caller's e-mail address with the token of a mailed link",
  tag: 'Auth',
  auth: 'session',
  rateLimit: 'link',
  body: z.strictObject({ token: MailedToken }),
  status: 200,
  response: Done,
  errors: ['TOKEN_INVALID', 'RATE_LIMITED'],
});

export const listSignInProviders = defineContract({
  id: 'listSignInProviders',
  method: 'GET',
  path: '/v1/auth/providers',
  summary: 'The providers that this server is set up to sign people in with',
  tag: 'Auth',
  auth: 'public',
  status: 200,
  response: z.object({ providers: z.array(OAuthProvider) }),
});

export const startOAuth = defineContract({
  id: 'startOAuth',
  method: 'GET',
  path: '/v1/auth/oauth/:provider/start',
  summary: 'Begin a sign-in with google or github: redirects there, or answers where to go with mode=json',
  tag: 'Auth',
  auth: 'public',
  rateLimit: 'link',
  params: ProviderParams,
  query: z.strictObject({ mode: z.enum(['json']).optional(), returnTo: ReturnTo }),
  redirects: true,
  status: 200,
  response: OAuthStart,
  errors: ['OAUTH_PROVIDER_NOT_CONFIGURED', 'OAUTH_EXCHANGE_FAILED', 'RATE_LIMITED'],
});

export const finishOAuth = defineContract({
  id: 'finishOAuth',
  method: 'GET',
  path: '/v1/auth/oauth/:provider/callback',
  summary: 'Where the provider sends the browser back: signs in, or links for whoever asked for that',
  tag: 'Auth',
  auth: 'public',
  rateLimit: 'link',
  params: ProviderParams,
  // Providers add parameters of their own (scope, authuser, ...), so this query alone is not strict.
  query: z.object({
    code: FromProvider,
    state: FromProvider,
    iss: FromProvider,
    error: FromProvider,
    mode: FromProvider,
  }),
  redirects: true,
  status: 200,
  response: z.union([
    SignedIn.extend({ provider: OAuthProvider }),
    z.object({ user: User, provider: OAuthProvider, linked: z.literal(true) }),
  ]),
  errors: [
    'OAUTH_PROVIDER_NOT_CONFIGURED',
    'OAUTH_EXCHANGE_FAILED',
    'OAUTH_INVALID_NONCE',
    'OAUTH_EMAIL_REQUIRED',
    'UNAUTHORIZED',
    'CONFLICT',
  ],
});
