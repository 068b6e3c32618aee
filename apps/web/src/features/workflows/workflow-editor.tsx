'use client';
import type { Workflow } from '@millrace/shared/contracts/workflows';
import { PenTool, Play } from 'lucide-react';
import Link from 'next/link';
import { useState } from 'react';
import { Button, ButtonLink } from '../../ui/button.tsx';
import { PageHeader, Section } from '../../ui/surfaces.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { RunList } from '../runs/run-list.tsx';
import { ConflictDialog } from './conflict-dialog.tsx';
import { JsonEditorPane } from './json-editor-pane.tsx';
import { Problems } from './problems.tsx';
import { PublishDialog } from './publish-dialog.tsx';
import { RunDialog } from './run-dialog.tsx';
import { Triggers } from './triggers.tsx';
import { useDraft } from './use-draft.ts';
import { WorkflowBadges } from './workflow-badges.tsx';
import { WorkflowMenu } from './workflow-menu.tsx';

export function WorkflowEditor({ workflow }: { workflow: Workflow }) {
  const { can, path } = useOrganization();
  const draft = useDraft(workflow);
  const [dialog, setDialog] = useState<'publish' | 'run' | null>(null);
  const close = () => setDialog(null);
  const mayWrite = can('workflow:write');
  return (
    <>
      <div className="grid gap-3">
        <Link href={path('/workflows')} className="justify-self-start rounded-sm text-sm text-muted hover:text-ink">
          Workflows
        </Link>
        <PageHeader title={workflow.name} about={<WorkflowBadges workflow={workflow} />}>
          <ButtonLink look="secondary" href={path(`/workflows/${workflow.id}/edit`)} className="max-md:hidden">
            <PenTool aria-hidden /> Open editor
          </ButtonLink>
          {can('run:start') && workflow.status === 'published' && workflow.isEnabled ? (
            <Button look="secondary" onClick={() => setDialog('run')}>
              <Play aria-hidden /> Run
            </Button>
          ) : null}
          {mayWrite ? (
            <Button
              look="secondary"
              disabled={!draft.isDirty || !draft.isReadable}
              isBusy={draft.busy === 'save'}
              onClick={draft.save}
            >
              Save
            </Button>
          ) : null}
          {can('workflow:publish') ? (
            <Button
              disabled={draft.isDirty || draft.problems.length > 0 || !workflow.hasUnpublishedChanges}
              isBusy={draft.busy === 'publish'}
              onClick={() => setDialog('publish')}
            >
              Publish
            </Button>
          ) : null}
          {mayWrite ? <WorkflowMenu workflow={workflow} onRename={draft.rename} /> : null}
        </PageHeader>
      </div>
      <Triggers workflow={workflow} />
      <div className="grid gap-4 xl:grid-cols-[minmax(0,1fr)_20rem]">
        <JsonEditorPane label="Workflow document" text={draft.text} isReadOnly={!mayWrite} onChange={draft.setText} />
        <Problems problems={draft.problems} isDirty={draft.isDirty} />
      </div>
      <Section title="Runs">
        <RunList workflowId={workflow.id} />
      </Section>
      <PublishDialog
        isOpen={dialog === 'publish'}
        version={workflow.version + 1}
        onClose={close}
        onPublish={draft.publish}
      />
      <RunDialog isOpen={dialog === 'run'} workflow={workflow} onClose={close} />
      <ConflictDialog draft={draft} />
    </>
  );
}
