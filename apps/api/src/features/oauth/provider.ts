import { Email } from '@millrace/shared/contracts/auth';
import { personText } from '@millrace/shared/contracts/contract';

/** A provider as the flow uses it: where to send the browser, and who came back. */
export interface ProviderClient {
  /** Where the browser is sent to. Refuses when the provider cannot be asked for its addresses. */
  authorizationUrl(attempt: Attempt): Promise<string>;
  /** Exchanges the code, once, and says who signed in. Refuses with a reason of its own for each way to fail. */
  identify(callback: ProviderCallback, attempt: Omit<Attempt, 'state'>): Promise<ProviderIdentity>;
}

/** The secrets of one sign-in. The nonce is null for a provider that has no id_token to put it into. */
interface Attempt {
  state: string;
  verifier: string;
  nonce: string | null;
}

export interface ProviderCallback {
  code: string;
  /** RFC 9207: who answers, when the provider says so. */
  iss: string | undefined;
}

export interface ProviderIdentity {
  /** The provider's own id of the person: the only thing that identifies them. */
  subject: string;
  email: string | null;
  isEmailVerified: boolean;
  displayName: string | null;
}

export interface ClientSettings {
  clientId: string;
  clientSecret: string;
  redirectUri: string;
}

/** A provider's claims as ours: an address that we could not write to counts as none, a strange name likewise. */
export function toIdentity(claims: {
  subject: string;
  email: unknown;
  isEmailVerified: boolean;
  name: unknown;
}): ProviderIdentity {
  const { subject, isEmailVerified } = claims;
  const email = Email.safeParse(claims.email).data ?? null;
  return { subject, email, isEmailVerified, displayName: personText(100).safeParse(claims.name).data ?? null };
}
