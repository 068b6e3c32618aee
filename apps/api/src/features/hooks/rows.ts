import { workflowHooks } from '@millrace/db/schema/hooks';
import type { OrgTx } from '@millrace/db/tenant';
import { and, eq, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { hashHookToken } from './address.ts';

interface HookChange {
  /** By how much the generation rises: 1 for another address. */
  raise?: 0 | 1;
  /** Absent: stays as it is. */
  secretSealed?: Buffer | null;
}

/**
 * Writes the hook of a workflow, whether it has one yet or not; its address works afterwards. Call it with the workflow
 * locked, so that two do not raise the same generation.
 */
export async function writeHook(
  { deps }: OrgContext,
  tx: OrgTx,
  workflowId: string,
  { raise = 0, ...change }: HookChange = {},
): Promise<void> {
  const [known] = await tx
    .select({ generation: workflowHooks.generation })
    .from(workflowHooks)
    .where(isHookOf(tx, workflowId));
  const generation = (known?.generation ?? 0) + raise;
  const tokenHash = hashHookToken(deps.config, { workflowId, generation });
  const values = { ...change, generation, tokenHash, updatedAt: sql`now()` };
  await tx
    .insert(workflowHooks)
    .values({ orgId: tx.orgId, workflowId, ...values })
    .onConflictDoUpdate({ target: [workflowHooks.orgId, workflowHooks.workflowId], set: values });
}

export function isHookOf(tx: OrgTx, workflowId: string) {
  return and(eq(workflowHooks.orgId, tx.orgId), eq(workflowHooks.workflowId, workflowId));
}
