import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { close, listen, readForm, sendJson } from './testing-oidc.ts';

/** A GitHub-shaped server: OAuth 2 without id_tokens, a REST API, failures with status 200. */
export interface TestGithub {
  baseUrl: string;
  /** Where its REST API is: as on a GitHub of one's own, or at the root. */
  apiPath: '/api/v3' | '';
  user: unknown;
  emails: unknown;
  /** Answers a path itself instead. */
  deeds: Map<string, (response: ServerResponse) => void>;
  hits: string[];
  secrets: string[];
  agree(authorizationUrl: string): string;
  close(): Promise<void>;
}

export const GITHUB_CLIENT = { id: 'github-client', secret: 'github-secret-canary' };

export async function startTestGithub(): Promise<TestGithub> {
  const challenges = new Map<string, string>();
  const tokens = new Set<string>();
  const server = createServer((request, response) => void answer(github, { challenges, tokens }, request, response));
  const github: TestGithub = {
    baseUrl: await listen(server),
    apiPath: '/api/v3',
    user: { id: 1, login: 'nobody' },
    emails: [],
    deeds: new Map(),
    hits: [],
    secrets: [],
    agree: (authorizationUrl) => {
      const code = `github-code-canary-${randomBytes(12).toString('hex')}`;
      const query = new URL(authorizationUrl).searchParams;
      challenges.set(code, query.get('code_challenge') ?? '');
      github.secrets.push(code, String(query.get('state')));
      return code;
    },
    close: () => close(server),
  };
  return github;
}

async function answer(
  github: TestGithub,
  { challenges, tokens }: { challenges: Map<string, string>; tokens: Set<string> },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = request.url?.split('?')[0] ?? '';
  github.hits.push(path);
  const deed = github.deeds.get(path);
  if (deed) return deed(response);
  if (path === '/login/oauth/access_token') {
    const form = await readForm(request);
    const code = form.get('code') ?? '';
    const verifier = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    const isClient = form.get('client_id') === GITHUB_CLIENT.id && form.get('client_secret') === GITHUB_CLIENT.secret;
    const isRight = isClient && challenges.get(code) === verifier && request.headers.accept === 'application/json';
    challenges.delete(code);
    github.secrets.push(form.get('code_verifier') ?? '');
    if (!isRight) return sendJson(response, { error: 'bad_verification_code', error_description: 'canary' });
    const token = `gho-canary-${randomBytes(12).toString('hex')}`;
    tokens.add(token);
    github.secrets.push(token);
    return sendJson(response, { access_token: token, token_type: 'bearer', scope: 'read:user,user:email' });
  }
  const isKnown = tokens.has(request.headers.authorization?.replace('Bearer ', '') ?? '');
  if (path === `${github.apiPath}/user`) return sendJson(response, isKnown ? github.user : {}, isKnown ? 200 : 401);
  if (path === `${github.apiPath}/user/emails`) return sendJson(response, github.emails, isKnown ? 200 : 401);
  sendJson(response, { message: 'Not Found' }, 404);
}
