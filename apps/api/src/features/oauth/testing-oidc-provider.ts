import { generateKeyPairSync } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Configuration, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { close, listen, readForm } from './testing-oidc.ts';

export const OIDC_CLIENT = { id: 'millrace-test', secret: 'a-secret.of~the_client' };

/**
 * A certified OpenID provider with its usual settings: PKCE demanded, the issuer in each answer, the address at its
 * userinfo endpoint only. Its login page believes whatever address it is sent, and lets people cancel.
 */
export async function startOidcProvider(redirectUri: string): Promise<{ issuer: string; close(): Promise<void> }> {
  const server = createServer();
  const issuer = await listen(server);
  const provider = new Provider(issuer, describe(redirectUri));
  const serve = provider.callback();
  server.on('request', (request, response) => {
    if (request.url?.startsWith('/login/')) void login(provider, request, response);
    else serve(request, response);
  });
  return { issuer, close: () => close(server) };
}

function describe(redirectUri: string): Configuration {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    clients: [{ client_id: OIDC_CLIENT.id, client_secret: OIDC_CLIENT.secret, redirect_uris: [redirectUri] }],
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'one', use: 'sig' }] },
    cookies: { keys: ['only for a test'] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    features: { devInteractions: { enabled: false } },
    pkce: { required: () => true },
    interactions: { url: (_ctx, { uid }) => `/login/${uid}` },
    findAccount: (_ctx, email) => ({
      accountId: email,
      claims: () => ({ sub: `sub-of-${email}`, email, email_verified: true, name: 'Grace' }),
    }),
    loadExistingGrant: grantAll,
    ttl: { AccessToken: 60, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
  };
}

async function grantAll({ oidc }: KoaContextWithOIDC) {
  const grant = new oidc.provider.Grant({ clientId: oidc.client?.clientId, accountId: oidc.session?.accountId });
  grant.addOIDCScope('openid email profile');
  await grant.save();
  return grant;
}

async function login(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'POST') {
    response.setHeader('content-type', 'text/html').end(LOGIN_PAGE);
    return;
  }
  const form = await readForm(request);
  const outcome = form.has('cancel') ? { error: 'access_denied' } : { login: { accountId: form.get('email') ?? '' } };
  return provider.interactionFinished(request, response, outcome);
}

const LOGIN_PAGE = `<!doctype html><html lang="en"><title>Test provider</title><h1>Who are you?</h1><form method="post">
<label>Address <input name="email"></label><button>Agree</button><button name="cancel" value="yes">Cancel</button></form>`;
