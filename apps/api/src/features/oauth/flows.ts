import { oauthFlows } from '@millrace/db/schema/identities';
import { type PlainTx, withoutOrg } from '@millrace/db/tenant';
import type { OAuthProvider } from '@millrace/shared/contracts/auth';
import { and, eq, gt, type SQL, sql } from 'drizzle-orm';
import type { PublicContext, SessionContext } from '../../context.ts';
import { addressNetwork } from '../../http/client-address.ts';
import { FLOW_LIFETIME_SEC, hashSecret, openVerifier, sealVerifier } from './flow-secrets.ts';
import { refuse } from './refusals.ts';

/** Anybody can begin a sign-in, so what that leaves behind is bounded: for one browser, one network, and all together. */
export const MAX_OPEN_FLOWS_PER_BROWSER = 10;
/** Links that one account has under way, from whichever browsers: nothing else limits them. */
export const MAX_OPEN_LINKS = 10;
/** More than the default rate limit lets one IPv4 address open: what it bounds is an IPv6 /48, to a twentieth of all. */
export const MAX_OPEN_FLOWS_PER_NETWORK = 1_000;
export const MAX_OPEN_FLOWS = 20_000;

/** An arbitrary number; whoever holds the lock clears away what has expired, the others need not wait. */
const CLEANING_LOCK = 7303004;

interface FlowKey {
  state: string;
  /** The value of the cookie that ties the flow to a browser. */
  browser: string;
  provider: OAuthProvider;
}

interface NewFlow extends FlowKey {
  verifier: string;
  nonce: string | null;
  returnPath: string;
  /** Whoever links the provider to their account; null for a sign-in. */
  linksFor: Pick<SessionContext, 'userId' | 'sessionId'> | null;
}

export type Flow = Pick<NewFlow, 'verifier' | 'nonce' | 'returnPath' | 'linksFor'>;

/** Remembers a sign-in under way for every instance of the API. Refuses when too many are open. */
export async function openFlow({ deps, client }: PublicContext, flow: NewFlow): Promise<void> {
  const { provider, nonce, returnPath } = flow;
  const network = addressNetwork(client.ipAddress);
  const [stateHash, browserHash] = [hashSecret(flow.state), hashSecret(flow.browser)];
  const sealedVerifier = sealVerifier(deps.config.AUTH_TOKEN_SECRET, { stateHash, provider }, flow.verifier);
  await withoutOrg(deps.db, async (tx) => {
    await clearExpired(tx);
    await refuseTooMany(tx, { browserHash, network, userId: flow.linksFor?.userId });
    await tx.insert(oauthFlows).values({
      ...{ stateHash, browserHash, provider, sealedVerifier, nonce, returnPath, network },
      userId: flow.linksFor?.userId ?? null,
      sessionId: flow.linksFor?.sessionId ?? null,
      expiresAt: sql`now() + make_interval(secs => ${FLOW_LIFETIME_SEC})`,
    });
  });
}

/** The flow with this state, once: of any number of callbacks at the same moment one gets it. Refuses all others. */
export async function takeFlow({ deps }: PublicContext, { state, browser, provider }: FlowKey): Promise<Flow> {
  const [stateHash, browserHash] = [hashSecret(state), hashSecret(browser)];
  const row = await withoutOrg(deps.db, async (tx) => {
    const [taken] = await tx
      .delete(oauthFlows)
      .where(
        and(
          eq(oauthFlows.stateHash, stateHash),
          eq(oauthFlows.browserHash, browserHash),
          eq(oauthFlows.provider, provider),
          gt(oauthFlows.expiresAt, sql`now()`),
        ),
      )
      .returning();
    if (!taken) throw await explainMiss(tx, { stateHash, browserHash, provider });
    return taken;
  });
  const { nonce, returnPath, userId, sessionId } = row;
  const verifier = openVerifier(deps.config.AUTH_TOKEN_SECRET, row, row.sealedVerifier);
  // Sealed for another flow, or with a secret that was replaced meanwhile.
  if (verifier === undefined) throw refuse('flow_unreadable');
  return { verifier, nonce, returnPath, linksFor: userId && sessionId ? { userId, sessionId } : null };
}

/** For the log alone: the caller is told the same in each case. */
async function explainMiss(
  tx: PlainTx,
  wanted: { stateHash: Buffer; browserHash: Buffer; provider: OAuthProvider },
): Promise<Error> {
  const [flow] = await tx.select().from(oauthFlows).where(eq(oauthFlows.stateHash, wanted.stateHash));
  if (!flow) return refuse('state_unknown');
  if (!flow.browserHash.equals(wanted.browserHash)) return refuse('browser_mismatch');
  return refuse(flow.provider === wanted.provider ? 'state_expired' : 'provider_mismatch');
}

async function clearExpired(tx: PlainTx): Promise<void> {
  await tx
    .delete(oauthFlows)
    .where(sql`${oauthFlows.expiresAt} <= now() AND (SELECT pg_try_advisory_xact_lock(${CLEANING_LOCK}))`);
}

/** Starts at the same moment do not see each other, so a bound may be passed by as many as there are connections. */
async function refuseTooMany(
  tx: PlainTx,
  { browserHash, network, userId }: { browserHash: Buffer; network: string; userId: string | undefined },
): Promise<void> {
  const atLeast = (count: number, which: SQL) =>
    sql`(SELECT count(*) FROM (SELECT FROM ${oauthFlows} WHERE ${which} LIMIT ${count}) found) = ${count}`;
  const { rows } = await tx.execute<{ is_full: boolean }>(sql`
    SELECT ${atLeast(MAX_OPEN_FLOWS_PER_BROWSER, eq(oauthFlows.browserHash, browserHash))}
      OR ${userId ? atLeast(MAX_OPEN_LINKS, eq(oauthFlows.userId, userId)) : sql`false`}
      OR ${atLeast(MAX_OPEN_FLOWS_PER_NETWORK, eq(oauthFlows.network, network))}
      OR ${atLeast(MAX_OPEN_FLOWS, sql`true`)} AS is_full`);
  if (rows[0]?.is_full) throw refuse('too_many_open_flows');
}
