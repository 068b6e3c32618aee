import { createHash, createHmac, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/** An OpenID provider of our own making that can sign anything, right or wrong, and answer like a broken server. */
export interface WrongDoer {
  issuer: string;
  /** The key it publishes, as the text an attacker could use as an HMAC key. */
  publicKeyText: string;
  /** What the next exchanges do; reset to nothing for honest ones. */
  deed: Deed;
  /** Who signs in next. */
  person: Person;
  /** How often each path was asked for. */
  hits: Map<string, number>;
  /** Every secret it was told or made up, for looking for them in logs. */
  secrets: string[];
  /** A code for the sign-in that this address begins, as if somebody had agreed. */
  agree(authorizationUrl: string): string;
  close(): Promise<void>;
}

export interface Person {
  sub: string;
  email?: string;
  email_verified?: unknown;
  name?: string;
}

export interface Deed {
  /** Changes the claims before they are signed; undefined removes one. */
  claims?: (claims: Record<string, unknown>) => Record<string, unknown>;
  /** Makes the id_token from the claims itself. */
  idToken?: (claims: Record<string, unknown>, honest: string) => string;
  /** Answers the token request itself. */
  token?: (response: ServerResponse, honest: Record<string, unknown>) => void;
  metadata?: Record<string, unknown>;
  userInfo?: Record<string, unknown>;
  jwks?: (response: ServerResponse) => void;
}

export const CLIENT = { id: 'test client:+ä', secret: 'client-secret-canary' };
const KEY_ID = 'first';

interface Agreed {
  nonce: string | null;
  challenge: string | null;
  redirectUri: string | null;
  person: Person;
}

interface State {
  doer: WrongDoer;
  codes: Map<string, Agreed>;
  privateKey: KeyObject;
  publicJwk: object;
}

export async function startWrongDoer(): Promise<WrongDoer> {
  const { privateKey, publicKey } = makeKeys();
  const publicJwk = { ...publicKey.export({ format: 'jwk' }), kid: KEY_ID, alg: 'RS256', use: 'sig' };
  const codes = new Map<string, Agreed>();
  const server = createServer((request, response) => {
    answer(state, request, response).catch((error) => {
      response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error));
    });
  });
  const doer: WrongDoer = {
    issuer: await listen(server),
    publicKeyText: JSON.stringify(publicJwk),
    deed: {},
    person: { sub: 'nobody' },
    hits: new Map(),
    secrets: [],
    agree: (authorizationUrl) => agree(state, new URL(authorizationUrl).searchParams),
    close: () => close(server),
  };
  const state: State = { doer, codes, privateKey, publicJwk };
  return doer;
}

export function makeKeys() {
  return generateKeyPairSync('rsa', { modulusLength: 2048 });
}

/** An id_token by any key and with any header. */
export function signWith(key: KeyObject, claims: object, header: object = {}): string {
  return joinToken({ alg: 'RS256', kid: KEY_ID, ...header }, claims, (input) =>
    sign('sha256', Buffer.from(input), key).toString('base64url'),
  );
}

export function joinToken(header: object, claims: object, sign: (input: string) => string): string {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${sign(input)}`;
}

export function hmac(key: string, input: string): string {
  return createHmac('sha256', key).update(input).digest('base64url');
}

/** The server's address, on a free port of loopback. */
export async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
}

export async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

export async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return new URLSearchParams(text);
}

function agree({ doer, codes }: State, query: URLSearchParams): string {
  const code = `code-canary-${randomBytes(16).toString('hex')}`;
  codes.set(code, {
    nonce: query.get('nonce'),
    challenge: query.get('code_challenge'),
    redirectUri: query.get('redirect_uri'),
    person: doer.person,
  });
  doer.secrets.push(code, String(query.get('state')), String(query.get('nonce')));
  return code;
}

async function answer(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url?.split('?')[0] ?? '';
  const { doer, publicJwk } = state;
  doer.hits.set(path, (doer.hits.get(path) ?? 0) + 1);
  if (path === '/.well-known/openid-configuration') return sendJson(response, describe(doer));
  if (path === '/jwks' && doer.deed.jwks) return doer.deed.jwks(response);
  if (path === '/jwks') return sendJson(response, { keys: [publicJwk] });
  if (path === '/token') return answerTokenRequest(state, request, response);
  if (path === '/userinfo') return sendJson(response, doer.deed.userInfo ?? {});
  response.writeHead(404).end();
}

function describe({ issuer, deed }: WrongDoer): object {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    // As generous as a provider can be: what is not allowed must be refused all the same.
    id_token_signing_alg_values_supported: ['RS256', 'HS256', 'none'],
    ...deed.metadata,
  };
}

/** Strict about everything it was promised, so that a test which passes has seen PKCE and the client's secret at work. */
async function answerTokenRequest(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { doer, codes } = state;
  const form = await readForm(request);
  const { nonce, challenge, redirectUri, person } = codes.get(form.get('code') ?? '') ?? {};
  codes.delete(form.get('code') ?? '');
  const verifier = form.get('code_verifier') ?? '';
  doer.secrets.push(verifier);
  const hashed = createHash('sha256').update(verifier).digest('base64url');
  const isClient = isOurClient(request.headers.authorization);
  const isRight = person && hashed === challenge && form.get('redirect_uri') === redirectUri && isClient;
  if (!isRight) return sendJson(response, { error: isClient ? 'invalid_grant' : 'invalid_client' }, 400);
  const now = Math.floor(Date.now() / 1000);
  const honest = { iss: doer.issuer, aud: CLIENT.id, iat: now, exp: now + 300, ...person, ...(nonce && { nonce }) };
  const claims = doer.deed.claims?.(honest) ?? honest;
  const signed = signWith(state.privateKey, claims);
  const idToken = doer.deed.idToken?.(claims, signed) ?? signed;
  const accessToken = `access-canary-${randomBytes(16).toString('hex')}`;
  doer.secrets.push(accessToken, idToken);
  const body = { access_token: accessToken, token_type: 'Bearer', expires_in: 300, id_token: idToken };
  if (doer.deed.token) return doer.deed.token(response, body);
  sendJson(response, body);
}

export function sendJson(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** RFC 6749, section 2.3.1: both parts are form-encoded before they are joined. */
function isOurClient(authorization = ''): boolean {
  const decoded = Buffer.from(authorization.replace(/^Basic /, ''), 'base64').toString();
  const [id, secret] = decoded.split(':').map((part) => new URLSearchParams(`part=${part}`).get('part'));
  return id === CLIENT.id && secret === CLIENT.secret;
}
