import { deriveKey, seal, unseal } from '@millrace/shared/sealing';

const PURPOSE = 'millrace hook secret v1';

interface OfWorkflow {
  orgId: string;
  workflowId: string;
}

/** Opens for this workflow alone, and with this secret of the server. */
export function sealHookSecret(key: string, workflow: OfWorkflow, secret: string): Buffer {
  return seal(deriveKey(key, PURPOSE), boundTo(workflow), secret);
}

/** Undefined when none is set, or the server's secret is another one than when it was sealed. */
export function openHookSecret(key: string, workflow: OfWorkflow, sealed: Buffer | null): string | undefined {
  return sealed === null ? undefined : unseal(deriveKey(key, PURPOSE), boundTo(workflow), sealed);
}

function boundTo({ orgId, workflowId }: OfWorkflow): string {
  return `${orgId}:${workflowId}`;
}
