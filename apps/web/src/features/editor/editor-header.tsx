'use client';
import { ArrowLeft, Command, LayoutGrid, Play, Redo2, Undo2 } from 'lucide-react';
import Link from 'next/link';
import { useState } from 'react';
import { Button } from '../../ui/button.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { PublishDialog } from '../workflows/publish-dialog.tsx';
import { RunDialog } from '../workflows/run-dialog.tsx';
import { WorkflowBadges } from '../workflows/workflow-badges.tsx';
import { useEditorTools } from './editor-context.tsx';
import { EditorMenu } from './editor-menu.tsx';
import { SavedState } from './saved-state.tsx';
import { useLayout } from './use-layout.ts';

export function EditorHeader({ isReadOnly }: { isReadOnly: boolean }) {
  const tools = useEditorTools();
  const { workflow, store, canUndo, canRedo } = tools;
  const { path } = useOrganization();
  const arrange = useLayout(tools);
  return (
    <header className="flex flex-wrap items-center gap-x-2 gap-y-1 border-b border-line bg-surface px-3 py-2">
      <Link
        href={path(`/workflows/${workflow.id}`)}
        aria-label="Back to the workflow"
        className="grid size-8 place-items-center rounded-lg text-muted hover:bg-hover hover:text-ink"
      >
        <ArrowLeft aria-hidden className="size-4" />
      </Link>
      <h1 className="min-w-0 truncate text-sm font-semibold">{workflow.name}</h1>
      <WorkflowBadges workflow={workflow} />
      <SavedState isReadOnly={isReadOnly} />
      <div className="ml-auto flex items-center gap-0.5">
        {isReadOnly ? null : (
          <>
            <Tool label="Undo" isOff={!canUndo} onPress={() => store.history({ type: 'undo' })} icon={Undo2} />
            <Tool label="Redo" isOff={!canRedo} onPress={() => store.history({ type: 'redo' })} icon={Redo2} />
          </>
        )}
        <Tool label="Arrange" onPress={() => void arrange()} icon={LayoutGrid} />
        <Tool
          label="Commands (Ctrl K)"
          onPress={() => store.session({ type: 'commands', commands: 'all' })}
          icon={Command}
        />
        <EditorMenu isReadOnly={isReadOnly} />
      </div>
      <Publishing />
    </header>
  );
}

interface ToolProps {
  label: string;
  icon: typeof Undo2;
  isOff?: boolean;
  onPress: () => void;
}

function Tool({ label, icon: Icon, isOff = false, onPress }: ToolProps) {
  return (
    <Button
      look="ghost"
      size="icon"
      aria-label={label}
      title={label}
      disabled={isOff}
      onClick={onPress}
      className="size-8"
    >
      <Icon aria-hidden />
    </Button>
  );
}

function Publishing() {
  const { workflow, problems, saving, store } = useEditorTools();
  const { can } = useOrganization();
  const [dialog, setDialog] = useState<'publish' | 'run' | null>(null);
  const close = () => setDialog(null);
  const count = problems.length;
  const isUnchanged =
    !workflow.hasUnpublishedChanges && saving.state.status === 'saved' && workflow.status === 'published';
  return (
    <div className="flex items-center gap-2">
      {can('run:start') && workflow.status === 'published' && workflow.isEnabled ? (
        <Button look="secondary" size="sm" onClick={() => setDialog('run')}>
          <Play aria-hidden /> Run
        </Button>
      ) : null}
      {can('workflow:publish') ? (
        <Button
          size="sm"
          disabled={isUnchanged}
          isBusy={saving.isPublishing}
          onClick={() => (count > 0 ? store.session({ type: 'panel', panel: 'problems' }) : setDialog('publish'))}
        >
          {count > 0 ? `Publish · ${count} ${count === 1 ? 'problem' : 'problems'}` : 'Publish'}
        </Button>
      ) : null}
      <PublishDialog
        isOpen={dialog === 'publish'}
        version={workflow.version + 1}
        onClose={close}
        onPublish={saving.publish}
      />
      <RunDialog isOpen={dialog === 'run'} workflow={workflow} onClose={close} />
    </div>
  );
}
