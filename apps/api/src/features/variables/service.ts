import { organizationVariables } from '@millrace/db/schema/variables';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { and, asc, eq, ne, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { auditChange } from '../audit/service.ts';
import { lockOrganization } from '../organizations/rows.ts';

type Row = typeof organizationVariables.$inferSelect;

const MAX_VALUE_BYTES = 16 * 1024;
/** All of an organization's variables travel to every expression that reads one, which may read 1 MB in all. */
const MAX_TOTAL_BYTES = 256 * 1024;
const MAX_VARIABLES = 500;

/** Every variable of the organization, by name. */
export async function listVariables(context: OrgContext) {
  const rows = await withOrg(context.deps.db, context.orgId, (tx) =>
    tx
      .select()
      .from(organizationVariables)
      .where(eq(organizationVariables.orgId, tx.orgId))
      .orderBy(asc(sql`${organizationVariables.name} collate "C"`)),
  );
  return { variables: rows.map(toVariable) };
}

/**
 * Sets a variable, new or not; runs read it from their next step on. Throws 400 for a value over 16 kB, 409 when the
 * organization has 500 variables or 256 kB of them. The audit entry names it without its value.
 */
export async function putVariable(context: OrgContext, name: string, value: unknown) {
  const json = JSON.stringify(value);
  const bytes = Buffer.byteLength(json);
  if (bytes > MAX_VALUE_BYTES) throw tooLarge();
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    await lockOrganization(tx); // so that the count holds when two are set at once
    await assertRoom(tx, name, bytes);
    const changes = { value: sql`${json}::jsonb`, updatedByUserId: context.userId, updatedAt: sql`now()` };
    const [row] = await tx
      .insert(organizationVariables)
      .values({ orgId: tx.orgId, name, ...changes })
      .onConflictDoUpdate({ target: [organizationVariables.orgId, organizationVariables.name], set: changes })
      .returning();
    if (!row) throw new Error('an upsert returned no row');
    await auditChange(context, tx, 'variable.set', name, {});
    return { variable: toVariable(row) };
  });
}

/** Throws 404 when there is no such variable. */
export async function deleteVariable(context: OrgContext, name: string) {
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    await lockOrganization(tx); // before any other lock
    const rows = await tx.delete(organizationVariables).where(isVariable(tx, name)).returning();
    if (rows.length === 0) throw new AppError('NOT_FOUND');
    await auditChange(context, tx, 'variable.delete', name, {});
    return { ok: true as const };
  });
}

async function assertRoom(tx: OrgTx, name: string, bytes: number): Promise<void> {
  const { orgId, value } = organizationVariables;
  const [others] = await tx
    .select({
      count: sql`count(*)`.mapWith(Number),
      bytes: sql`coalesce(sum(octet_length(${value}::text)), 0)`.mapWith(Number),
    })
    .from(organizationVariables)
    .where(and(eq(orgId, tx.orgId), ne(organizationVariables.name, name)));
  if ((others?.count ?? 0) >= MAX_VARIABLES)
    throw new AppError('CONFLICT', `An organization has at most ${MAX_VARIABLES} variables; delete one first.`);
  if ((others?.bytes ?? 0) + bytes > MAX_TOTAL_BYTES)
    throw new AppError('CONFLICT', 'The variables of an organization may be 256 kB together; delete or shorten some.');
}

function isVariable(tx: OrgTx, name: string) {
  return and(eq(organizationVariables.orgId, tx.orgId), eq(organizationVariables.name, name));
}

function toVariable({ name, value, updatedAt, updatedByUserId }: Row) {
  return { name, value, updatedAt: updatedAt.toISOString(), updatedByUserId };
}

function tooLarge(): AppError {
  const message = `must be at most ${MAX_VALUE_BYTES / 1024} kB of JSON`;
  return new AppError('BAD_REQUEST', undefined, { details: [{ path: 'value', code: 'TOO_LARGE', message }] });
}
