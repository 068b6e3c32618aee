import { eq } from 'drizzle-orm';
import type { Database } from './connect.ts';
import { organizationVariables } from './schema/variables.ts';
import { withOrg } from './tenant.ts';

/** The organization's variables by name: JSON values, as expressions read them in `$vars`. */
export async function loadVariables(db: Database, orgId: string): Promise<Record<string, unknown>> {
  const rows = await withOrg(db, orgId, (tx) =>
    tx
      .select({ name: organizationVariables.name, value: organizationVariables.value })
      .from(organizationVariables)
      .where(eq(organizationVariables.orgId, tx.orgId)),
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}
