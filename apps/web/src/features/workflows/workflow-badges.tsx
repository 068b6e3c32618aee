import type { Workflow } from '@millrace/shared/contracts/workflows';
import { Badge } from '../../ui/surfaces.tsx';

export function WorkflowBadges({ workflow }: { workflow: Workflow }) {
  const { status, isEnabled, version, hasUnpublishedChanges } = workflow;
  return (
    <span className="flex flex-wrap gap-1.5">
      {status === 'draft' ? <Badge>Draft</Badge> : <Badge tone="info">v{version}</Badge>}
      {status === 'published' && hasUnpublishedChanges ? <Badge tone="warning">Unpublished changes</Badge> : null}
      {isEnabled ? null : <Badge tone="warning">Off</Badge>}
    </span>
  );
}
