import { workflowHooks } from '@millrace/db/schema/hooks';
import { withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { and, isNotNull } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { auditChange } from '../audit/service.ts';
import { lockWorkflow, readWorkflow } from '../workflows/rows.ts';
import { isHookOf, writeHook } from './rows.ts';
import { sealHookSecret } from './secret.ts';

/** Sets what senders sign with, whether or not the workflow is published yet. The next request counts with it. */
export async function putHookSecret(context: OrgContext, workflowId: string, secret: string) {
  const { deps, orgId } = context;
  const secretSealed = sealHookSecret(deps.config.AUTH_TOKEN_SECRET, { orgId, workflowId }, secret);
  return withOrg(deps.db, orgId, async (tx) => {
    await lockWorkflow(tx, workflowId);
    await writeHook(context, tx, workflowId, { secretSealed });
    await auditChange(context, tx, 'workflow.hook-secret-set', workflowId, {});
    return { ok: true as const };
  });
}

/** Throws 404 when there is none. */
export async function deleteHookSecret(context: OrgContext, workflowId: string) {
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    await lockWorkflow(tx, workflowId);
    const rows = await tx
      .update(workflowHooks)
      .set({ secretSealed: null })
      .where(and(isHookOf(tx, workflowId), isNotNull(workflowHooks.secretSealed)))
      .returning({ workflowId: workflowHooks.workflowId });
    if (rows.length === 0) throw new AppError('NOT_FOUND');
    await auditChange(context, tx, 'workflow.hook-secret-delete', workflowId, {});
    return { ok: true as const };
  });
}

/** From its commit on the address before is unknown. */
export async function rotateHook(context: OrgContext, workflowId: string) {
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    await lockWorkflow(tx, workflowId);
    await writeHook(context, tx, workflowId, { raise: 1 });
    await auditChange(context, tx, 'workflow.hook-rotate', workflowId, {});
    return { workflow: await readWorkflow(context, tx, workflowId) };
  });
}
