import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import type { Database } from './connect.ts';
import { isRolledBackByOthers } from './failures.ts';
import { type Transaction, transact } from './transaction.ts';
import { assertUuid } from './uuid.ts';

declare const isOrgTx: unique symbol;
declare const isPlainTx: unique symbol;

/** A transaction that sees the rows of exactly one organization, and the tables without an organization. */
export type OrgTx = Transaction & { readonly orgId: string; readonly [isOrgTx]: true };

/** A transaction without an organization: tenant tables raise, users and sessions work. */
export type PlainTx = Transaction & { readonly [isPlainTx]: true };

interface OpenTransaction {
  isOpen: boolean;
  orgTx: OrgTx | null;
}

const current = new AsyncLocalStorage<OpenTransaction>();

/**
 * The door to tenant rows: one transaction in the context of one organization, committed when `fn` resolves and rolled
 * back when it throws. A call inside another one joins its transaction when the organization is the same. Throws a
 * TypeError for an id that is not a UUID, and an Error for a call inside another organization's transaction: there a
 * second context would silently switch the tenant. It does not check membership; authorize first.
 *
 * `fn` must be repeatable: it acts through `tx` alone. When PostgreSQL rolls the transaction back because of a deadlock or
 * a serialization failure, which leaves nothing of it, it is called again in a new one, up to three times. What must happen once
 * (a log line, a wake-up, a mail) belongs after the call.
 */
export async function withOrg<T>(db: Database, orgId: string, fn: (tx: OrgTx) => Promise<T>): Promise<T> {
  assertUuid(orgId, 'orgId');
  const outer = current.getStore();
  if (outer?.isOpen) {
    if (outer.orgTx?.orgId === orgId) return await fn(outer.orgTx);
    throw new Error('withOrg was called inside a transaction of another organization or of none');
  }
  return await againWhenRolledBack(() =>
    transact(db, async (tx) => {
      await tx.execute(sql`select set_config('app.current_org_id', ${orgId}, true)`);
      const orgTx = Object.assign(tx, { orgId }) as OrgTx;
      return await runInside({ isOpen: true, orgTx }, () => fn(orgTx));
    }),
  );
}

/**
 * A transaction for the tables that belong to no organization. Throws inside another transaction of this module: it
 * would hold a second connection, and a full pool of such calls waits for itself. `fn` must be repeatable, as for
 * `withOrg`.
 */
export async function withoutOrg<T>(db: Database, fn: (tx: PlainTx) => Promise<T>): Promise<T> {
  if (current.getStore()?.isOpen) throw new Error('withoutOrg was called inside another transaction');
  return await againWhenRolledBack(() =>
    transact(db, (tx) => {
      const plainTx = tx as PlainTx;
      return runInside({ isOpen: true, orgTx: null }, () => fn(plainTx));
    }),
  );
}

const MOST_TRIES = 4;
const FIRST_PAUSE_MS = 20;

/**
 * Up to four times: two that met pass each other with the second try, unless that one overtakes whoever waited for the
 * first. The pause, longer each time, lets them go.
 */
export async function againWhenRolledBack<T>(transact: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await transact();
    } catch (error) {
      if (tries === MOST_TRIES || !isRolledBackByOthers(error)) throw error;
      await delay(FIRST_PAUSE_MS * 2 ** tries * Math.random());
    }
  }
}

/** Work that `fn` started and did not wait for keeps the store; once closed, it counts as outside. */
async function runInside<T>(transaction: OpenTransaction, fn: () => Promise<T>): Promise<T> {
  try {
    return await current.run(transaction, fn);
  } finally {
    transaction.isOpen = false;
  }
}
