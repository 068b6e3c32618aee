import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  ClientSecretPost,
  Configuration,
  calculatePKCECodeChallenge,
  customFetch,
} from 'openid-client';
import { z } from 'zod';
import { refuseFailure } from './library-failures.ts';
import { type ClientSettings, type ProviderClient, type ProviderIdentity, toIdentity } from './provider.ts';
import { providerFetch } from './provider-fetch.ts';
import { refuse } from './refusals.ts';

const SCOPE = 'read:user user:email';

/** Of the answers of the REST API, only what is needed. The id alone never changes; logins and addresses do. */
const GithubUser = z.object({ id: z.int().positive(), login: z.unknown().optional(), name: z.unknown().optional() });
const GithubEmails = z.array(z.object({ email: z.unknown().optional(), primary: z.boolean(), verified: z.boolean() }));

/** github.com or an own GitHub at `baseUrl`. It speaks OAuth 2 and not OpenID Connect: there is no id_token, no nonce. */
export function openGithub(settings: ClientSettings, baseUrl: string): ProviderClient {
  const client = configure(settings, baseUrl);
  return {
    authorizationUrl: async ({ state, verifier }) => {
      const parameters = {
        redirect_uri: settings.redirectUri,
        scope: SCOPE,
        state,
        code_challenge: await calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      };
      return buildAuthorizationUrl(client, parameters).href;
    },
    identify: async ({ code, iss }, { verifier }) => {
      if (iss !== undefined && iss !== client.serverMetadata().issuer) throw refuse('issuer_mismatch');
      const answer = new URL(settings.redirectUri);
      answer.searchParams.set('code', code);
      try {
        const { access_token } = await authorizationCodeGrant(client, answer, { pkceCodeVerifier: verifier });
        return await readIdentity(baseUrl, access_token);
      } catch (error) {
        throw refuseFailure(error);
      }
    },
  };
}

function configure({ clientId, clientSecret }: ClientSettings, baseUrl: string): Configuration {
  const metadata = {
    issuer: `${baseUrl}/login/oauth`,
    authorization_endpoint: `${baseUrl}/login/oauth/authorize`,
    token_endpoint: `${baseUrl}/login/oauth/access_token`,
  };
  const client = new Configuration(metadata, clientId, undefined, ClientSecretPost(clientSecret));
  client[customFetch] = providerFetch;
  // The configuration admits http on loopback and outside production only.
  if (new URL(baseUrl).protocol === 'http:') allowInsecureRequests(client);
  return client;
}

async function readIdentity(baseUrl: string, accessToken: string): Promise<ProviderIdentity> {
  const [firstApi = '', ...otherApis] = apisOf(baseUrl);
  let api = firstApi;
  let response = await ask(`${api}/user`, accessToken);
  for (const other of otherApis) {
    if (response.status !== 404) break;
    api = other;
    response = await ask(`${api}/user`, accessToken);
  }
  const user = GithubUser.safeParse(await readJson(response));
  if (!user.success) throw refuse('subject_invalid');
  const { id, login, name } = user.data;
  return toIdentity({ subject: String(id), ...(await readEmail(api, accessToken)), name: name ?? login });
}

/** github.com has a host for its API; a GitHub of one's own serves it under a path, and stand-ins at their root. */
function apisOf(baseUrl: string): string[] {
  return new URL(baseUrl).host === 'github.com' ? ['https://api.github.com'] : [`${baseUrl}/api/v3`, baseUrl];
}

/** The primary address; none when the person did not share their addresses. */
async function readEmail(api: string, accessToken: string): Promise<{ email: unknown; isEmailVerified: boolean }> {
  const response = await ask(`${api}/user/emails`, accessToken);
  if (response.status === 403 || response.status === 404) return { email: null, isEmailVerified: false };
  const emails = GithubEmails.safeParse(await readJson(response));
  if (!emails.success) throw refuse('provider_answer_invalid');
  const primary = emails.data.find((one) => one.primary);
  return { email: primary?.email, isEmailVerified: primary?.verified === true };
}

function ask(url: string, accessToken: string): Promise<Response> {
  const headers = {
    accept: 'application/vnd.github+json',
    authorization: `Bearer ${accessToken}`,
    'user-agent': 'millrace',
    'x-github-api-version': '2022-11-28',
  };
  return providerFetch(url, { headers });
}

async function readJson(response: Response): Promise<unknown> {
  if (response.status !== 200) throw refuse('provider_answer_invalid');
  return response.json().catch(() => {
    throw refuse('provider_answer_invalid');
  });
}
