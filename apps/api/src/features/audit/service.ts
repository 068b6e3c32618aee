import { appendAudit } from '@millrace/db/audit';
import type { OrgTx } from '@millrace/db/tenant';
import type { UserContext } from '../../context.ts';

/** What changes are about; an action is named after its subject. */
type SubjectType = 'organization' | 'member' | 'invitation' | 'notice' | 'variable' | 'workflow' | 'run' | 'api-key';

/** One audit entry by the caller, in the transaction of the change it tells about; call it last, it locks. */
export async function auditChange(
  context: UserContext,
  tx: OrgTx,
  action: `${SubjectType}.${string}`,
  subjectId: string | null,
  data: Record<string, unknown>,
): Promise<void> {
  const subjectType = action.slice(0, action.indexOf('.'));
  await appendAudit(tx, {
    actorUserId: context.userId,
    actorApiKeyId: context.apiKey?.id ?? null,
    ...context.client,
    requestId: context.requestId,
    action,
    subjectType,
    subjectId,
    data,
  });
}
