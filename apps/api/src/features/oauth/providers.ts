import type { ApiConfig } from '@millrace/shared/config';
import type { OAuthProvider } from '@millrace/shared/contracts/auth';
import { openGithub } from './github.ts';
import { openGoogle } from './google.ts';
import type { ClientSettings, ProviderClient } from './provider.ts';

export type ProviderClients = Partial<Record<OAuthProvider, ProviderClient>>;

/** The providers that have an id and a secret. Asks nobody yet. */
export function openProviders(config: ApiConfig): ProviderClients {
  const google = readSettings(config, 'google', config.GOOGLE_CLIENT_ID, config.GOOGLE_CLIENT_SECRET);
  const github = readSettings(config, 'github', config.GITHUB_CLIENT_ID, config.GITHUB_CLIENT_SECRET);
  return {
    ...(google && { google: openGoogle(google, new URL(config.OAUTH_GOOGLE_ISSUER)) }),
    ...(github && { github: openGithub(github, config.OAUTH_GITHUB_BASE_URL.replace(/(?<!\/)\/+$/, '')) }),
  };
}

function readSettings(
  config: ApiConfig,
  provider: OAuthProvider,
  clientId: string | undefined,
  clientSecret: string | undefined,
): ClientSettings | undefined {
  if (!clientId || !clientSecret) return undefined;
  const configured = { google: config.GOOGLE_REDIRECT_URI, github: config.GITHUB_REDIRECT_URI }[provider];
  const usual = `${config.WEB_BASE_URL.replace(/(?<!\/)\/+$/, '')}/v1/auth/oauth/${provider}/callback`;
  return { clientId, clientSecret, redirectUri: configured ?? usual };
}
