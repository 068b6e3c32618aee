/** The program behind `npm start -- --demo-idp`: a stand-in for Google that asks for an address and believes it. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Configuration, interactionPolicy, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { DEMO_CALLBACK_PATH } from './start/demo-idp.ts';

const LARGEST_FORM_BYTES = 4_096;
const PAGE = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Demo sign-in</title>
<h1>Demo sign-in</h1>
<p>This page stands in for Google while Millrace runs on your machine. It believes whatever address you type.</p>
<form method="post">
  <label>E-mail <input name="email" type="email" required autofocus autocomplete="email"></label>
  <button>Sign in</button>
</form>
</html>`;

const { DEMO_IDP_PORT, DEMO_IDP_CLIENT_ID, DEMO_IDP_CLIENT_SECRET } = process.env;
if (!DEMO_IDP_PORT || !DEMO_IDP_CLIENT_ID || !DEMO_IDP_CLIENT_SECRET)
  throw new Error('DEMO_IDP_PORT, DEMO_IDP_CLIENT_ID and DEMO_IDP_CLIENT_SECRET are required: see npm start');

const issuer = `http://127.0.0.1:${DEMO_IDP_PORT}`;
const provider = new Provider(issuer, describeDemo(DEMO_IDP_CLIENT_ID, DEMO_IDP_CLIENT_SECRET));
const serve = provider.callback();
const server = createServer((request, response) => {
  if (request.url?.startsWith('/demo/')) login(request, response).catch(() => response.writeHead(400).end());
  else serve(request, response);
});
server.listen(Number(DEMO_IDP_PORT), '127.0.0.1');
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(0));

function describeDemo(clientId: string, clientSecret: string): Configuration {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        // Of a native application the port may be any (RFC 8252, section 7.3): the API's is not known yet.
        application_type: 'native',
        redirect_uris: ['127.0.0.1', '[::1]', 'localhost'].map((host) => `http://${host}${DEMO_CALLBACK_PATH}`),
      },
    ],
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: randomBytes(8).toString('hex'), use: 'sig' }] },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: [] },
    conformIdTokenClaims: false, // as Google does, which puts the address into the id_token
    features: { devInteractions: { enabled: false } },
    pkce: { required: () => true },
    ttl: { AccessToken: 60, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
    interactions: { policy: [askEachTime()], url: (_ctx, { uid }) => `/demo/${uid}` },
    findAccount: (_ctx, email) => ({
      accountId: email,
      claims: () => ({ sub: `demo:${email}`, email, email_verified: true }),
    }),
    loadExistingGrant: grantAll,
  };
}

/** Nobody is remembered: trying it out is signing in as this one and that one. */
function askEachTime(): interactionPolicy.Prompt {
  const { Check, Prompt } = interactionPolicy;
  const check = new Check('address', 'The address is asked for each time', 'login_required', (ctx) =>
    ctx.oidc.result?.login ? Check.NO_NEED_TO_PROMPT : Check.REQUEST_PROMPT,
  );
  return new Prompt({ name: 'login', requestable: true }, check);
}

async function grantAll({ oidc }: KoaContextWithOIDC) {
  const grant = new oidc.provider.Grant({ clientId: oidc.client?.clientId, accountId: oidc.session?.accountId });
  grant.addOIDCScope('openid email profile');
  await grant.save();
  return grant;
}

async function login(request: IncomingMessage, response: ServerResponse): Promise<void> {
  await provider.interactionDetails(request, response); // throws unless this browser has a sign-in under way
  const email = request.method === 'POST' ? (await readForm(request)).get('email')?.trim().toLowerCase() : undefined;
  if (email && /^[^\s@]+@[^\s@]+$/.test(email))
    return provider.interactionFinished(request, response, { login: { accountId: email } });
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(PAGE);
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > LARGEST_FORM_BYTES) throw new Error('the form is too large');
  }
  return new URLSearchParams(text);
}
