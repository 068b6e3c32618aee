import type { OAuthProvider } from '@millrace/shared/contracts/auth';

export const PROVIDER_NAMES: Record<OAuthProvider, string> = { google: 'Google', github: 'GitHub' };
