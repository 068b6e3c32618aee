'use client';
import type { Workflow } from '@millrace/shared/contracts/workflows';
import type { Spot } from '@millrace/workflow/edit-steps';
import { ReactFlowProvider } from '@xyflow/react';
import { useMemo } from 'react';
import { useOrganization } from '../organizations/use-organization.ts';
import { Breadcrumb } from './breadcrumb.tsx';
import { Canvas } from './canvas.tsx';
import { CommandList } from './command-list.tsx';
import { CommandsContext } from './commands-context.tsx';
import { ConflictDialog } from './conflict-dialog.tsx';
import { EditorProvider } from './editor-context.tsx';
import { EditorHeader } from './editor-header.tsx';
import { EditorPanel } from './editor-panel.tsx';
import { StepRail } from './step-rail.tsx';
import { placeKey } from './use-canvas.ts';
import { useEditor } from './use-editor.ts';
import { useFirstLayout } from './use-layout.ts';
import { useShortcuts } from './use-shortcuts.ts';

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
  const isReadOnly = !can('workflow:write');
  const { store, session } = tools;
  const isLaidOut = useFirstLayout(tools);
  useShortcuts(tools, isReadOnly);
  const commands = useMemo(
    () => ({
      openCommands: isReadOnly ? null : (spot: Spot) => store.session({ type: 'commands', commands: spot }),
      openBody: (loopId: string) => store.session({ type: 'open', place: { in: 'loop', loopId } }),
    }),
    [store, isReadOnly],
  );
  return (
    <EditorProvider tools={tools}>
      <CommandsContext value={commands}>
        <div className="-mx-4 -my-8 grid h-dvh min-h-120 grid-rows-[auto_1fr] overflow-hidden bg-page sm:-mx-8 lg:-mx-12 max-md:h-[calc(100dvh-3.5rem)]">
          <EditorHeader isReadOnly={isReadOnly} />
          <div className="flex min-h-0">
            {isReadOnly ? null : <StepRail />}
            <section aria-label="Canvas" className="relative min-w-0 flex-1">
              <Breadcrumb />
              {isLaidOut ? <Canvas key={placeKey(session.place)} isReadOnly={isReadOnly} /> : null}
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
