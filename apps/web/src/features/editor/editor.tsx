'use client';
import type { Workflow } from '@millrace/shared/contracts/workflows';
import type { Spot } from '@millrace/workflow/edit-steps';
import { ReactFlowProvider } from '@xyflow/react';
import { useMemo, useState } from 'react';
import { useOrganization } from '../organizations/use-organization.ts';
import { Breadcrumb } from './breadcrumb.tsx';
import { Canvas } from './canvas.tsx';
import { CommandList } from './command-list.tsx';
import { CommandsContext } from './commands-context.tsx';
import { ConflictDialog } from './conflict-dialog.tsx';
import { createDropTarget } from './drop-target.ts';
import { EditorProvider } from './editor-context.tsx';
import { EditorHeader } from './editor-header.tsx';
import { EditorPanel } from './editor-panel.tsx';
import { placeKey } from './places.ts';
import { StepRail } from './step-rail.tsx';
import { useEditor } from './use-editor.ts';
import { useIsNarrow } from './use-is-narrow.ts';
import { useFirstLayout } from './use-layout.ts';
import { useShortcuts } from './use-shortcuts.ts';

const NOTE = 'border-b border-line bg-accent-soft px-4 py-2 text-[0.8125rem] text-ink';

export function Editor({ workflow }: { workflow: Workflow }) {
  return (
    <ReactFlowProvider>
      <OpenEditor workflow={workflow} />
    </ReactFlowProvider>
  );
}

function OpenEditor({ workflow }: { workflow: Workflow }) {
  const { can } = useOrganization();
  const tools = useEditor(workflow);
  const isNarrow = useIsNarrow();
  const mayWrite = can('workflow:write');
  const isReadOnly = !mayWrite || isNarrow;
  const [dropTarget] = useState(createDropTarget);
  const { store, session } = tools;
  const isLaidOut = useFirstLayout(tools);
  useShortcuts(tools, isReadOnly);
  const commands = useMemo(
    () => ({
      openCommands: isReadOnly ? null : (spot: Spot) => store.session({ type: 'commands', commands: spot }),
      dropTarget,
      openBody: (loopId: string) => store.session({ type: 'open', place: { in: 'loop', loopId } }),
    }),
    [store, isReadOnly, dropTarget],
  );
  return (
    <EditorProvider tools={tools}>
      <CommandsContext value={commands}>
        <div className="-mx-4 -my-8 flex h-dvh min-h-120 flex-col overflow-hidden bg-page sm:-mx-8 lg:-mx-12 max-md:h-[calc(100dvh-3.5rem)]">
          <EditorHeader isReadOnly={isReadOnly} />
          <p className={isNarrow && mayWrite ? NOTE : 'hidden'}>
            Editing needs a wider screen. Here you can look at everything.
          </p>
          <div className="flex min-h-0 flex-1 max-md:flex-col">
            {isReadOnly ? null : <StepRail />}
            <section aria-label="Canvas" className="relative min-h-0 min-w-0 flex-1">
              <Breadcrumb />
              {isLaidOut ? <Canvas key={`${placeKey(session.place)} ${isNarrow}`} isReadOnly={isReadOnly} /> : null}
            </section>
            <EditorPanel isReadOnly={isReadOnly} />
          </div>
        </div>
        <CommandList isReadOnly={isReadOnly} />
        <ConflictDialog />
      </CommandsContext>
    </EditorProvider>
  );
}
