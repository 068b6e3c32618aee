import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  ClientSecretBasic,
  ClientSecretPost,
  Configuration,
  calculatePKCECodeChallenge,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  type IDToken,
} from 'openid-client';
import { cacheDiscovery } from './discovery.ts';
import { refuseFailure } from './library-failures.ts';
import { type ClientSettings, type ProviderClient, type ProviderIdentity, toIdentity } from './provider.ts';
import { providerFetch } from './provider-fetch.ts';
import { refusalOf, refuse } from './refusals.ts';

const SCOPE = 'openid email profile';
/** How far the clocks of provider and server may be apart. */
const CLOCK_TOLERANCE_SEC = 300;

/** Google, or any other OpenID provider: what it signs is checked as OpenID Connect Core 1.0, 3.1.3.7, asks. */
export function openGoogle(settings: ClientSettings, issuer: URL): ProviderClient {
  const known = cacheDiscovery(() => discover(settings, issuer), Date.now);
  return {
    authorizationUrl: async ({ state, nonce, verifier }) => {
      const client = await known.get();
      const parameters = {
        redirect_uri: settings.redirectUri,
        scope: SCOPE,
        state,
        ...(nonce && { nonce }),
        code_challenge: await calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      };
      return buildAuthorizationUrl(client, parameters).href;
    },
    identify: async ({ code, iss }, { nonce, verifier }) => {
      const client = await known.get();
      checkAnsweringIssuer(client, iss);
      try {
        return await exchange(client, settings, { code, iss, nonce, verifier });
      } catch (error) {
        const refusal = refuseFailure(error);
        // Only the provider itself can cause these: it may have new keys that we have not seen.
        if (/^id_token_(key|signature)/.test(refusalOf(refusal) ?? '')) known.forget();
        throw refusal;
      }
    },
  };
}

async function discover({ clientId, clientSecret }: ClientSettings, issuer: URL): Promise<Configuration> {
  try {
    const found = await discovery(issuer, clientId, undefined, undefined, {
      [customFetch]: providerFetch,
      ...(isInsecure(issuer) && { execute: [allowInsecureRequests] }),
    });
    const metadata = found.serverMetadata();
    const methods = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    const authentication = methods.includes('client_secret_basic') ? ClientSecretBasic : ClientSecretPost;
    const client = new Configuration(metadata, clientId, undefined, authentication(clientSecret));
    client[customFetch] = providerFetch;
    if (isInsecure(issuer)) allowInsecureRequests(client);
    // Without this, a token that came straight from the token endpoint is taken without looking at its signature.
    enableNonRepudiationChecks(client);
    buildAuthorizationUrl(client, {}); // throws without an address to send people to
    return client;
  } catch (error) {
    throw refuse(refusalOf(error) ?? 'discovery_invalid');
  }
}

/** The configuration admits such an issuer on loopback and outside production only. */
function isInsecure(issuer: URL): boolean {
  return issuer.protocol === 'http:';
}

/** RFC 9207: an answer of another provider, mixed up on its way, is noticed before its code is sent anywhere. */
function checkAnsweringIssuer(client: Configuration, iss: string | undefined): void {
  const { issuer, authorization_response_iss_parameter_supported: isAlwaysSent } = client.serverMetadata();
  if (iss === undefined && isAlwaysSent) throw refuse('issuer_missing');
  if (iss !== undefined && iss !== issuer) throw refuse('issuer_mismatch');
}

async function exchange(
  client: Configuration,
  { clientId, redirectUri }: ClientSettings,
  { code, iss, nonce, verifier }: { code: string; iss: string | undefined; nonce: string | null; verifier: string },
): Promise<ProviderIdentity> {
  const answer = new URL(redirectUri);
  answer.searchParams.set('code', code);
  if (iss !== undefined) answer.searchParams.set('iss', iss);
  // The state was judged, and taken, before this; the library never sees it.
  const tokens = await authorizationCodeGrant(client, answer, {
    pkceCodeVerifier: verifier,
    ...(nonce && { expectedNonce: nonce }),
    idTokenExpected: true,
  });
  const claims = tokens.claims();
  if (!claims) throw refuse('id_token_missing');
  checkClaims(claims, clientId, Date.now() / 1000);
  // OpenID Connect Core 1.0, 5.4: with a code, a provider may keep the address for its userinfo endpoint.
  const hasUserInfo = client.serverMetadata().userinfo_endpoint !== undefined;
  const about =
    claims.email === undefined && hasUserInfo ? await fetchUserInfo(client, tokens.access_token, claims.sub) : claims;
  return toIdentity({
    subject: claims.sub,
    email: about.email,
    isEmailVerified: about.email_verified === true,
    name: about.name,
  });
}

/** What the library leaves to its caller. */
function checkClaims({ azp, iat, sub }: IDToken, clientId: string, nowSec: number): void {
  if (azp !== undefined && azp !== clientId) throw refuse('id_token_authorized_party');
  // The token was made for the exchange a moment ago, so any other time means that it was made for another one.
  if (Math.abs(iat - nowSec) > CLOCK_TOLERANCE_SEC) throw refuse('id_token_time');
  if (!/^[\x20-\x7e]{1,255}$/.test(sub)) throw refuse('subject_invalid'); // OpenID Connect Core 1.0, section 2
}
