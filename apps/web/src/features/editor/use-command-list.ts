'use client';
import { useReactFlow } from '@xyflow/react';
import {
  Braces,
  CircleAlert,
  CircleDot,
  History,
  LayoutGrid,
  type LucideIcon,
  Maximize,
  Play,
  Redo2,
  Trash2,
  Undo2,
} from 'lucide-react';
import { addStepOfKind, removeSelected, showStep } from './actions.ts';
import { listCommands } from './commands.ts';
import { useEditorTools } from './editor-context.tsx';
import { placeOf } from './places.ts';
import { TRIGGER } from './session.ts';
import { iconOf } from './step-nodes.tsx';
import { sayRefusal } from './use-editor.ts';
import { useLayout } from './use-layout.ts';

const ICONS: Record<string, LucideIcon> = {
  undo: Undo2,
  redo: Redo2,
  delete: Trash2,
  arrange: LayoutGrid,
  fit: Maximize,
  problems: CircleAlert,
  versions: History,
  json: Braces,
  trigger: Play,
};

/** The commands that make sense now, and what each does. */
export function useCommandList(isReadOnly: boolean) {
  const tools = useEditorTools();
  const { store, session, document, canUndo, canRedo } = tools;
  const arrange = useLayout(tools);
  const { fitView } = useReactFlow();
  const groups = listCommands({ document, session, canUndo, canRedo, isReadOnly }).map(({ heading, items }) => ({
    heading,
    items: items.map((item) => ({ ...item, icon: iconFor(item.id) })),
  }));
  const run = (id: string) => {
    const { commands } = session;
    store.session({ type: 'commands', commands: 'closed' });
    const [what, name = ''] = id.split(/:(.*)/s);
    if (what === 'add')
      return sayRefusal(addStepOfKind(store, name, typeof commands === 'object' ? { spot: commands } : {}));
    if (what === 'go') {
      const place = placeOf(document, name);
      if (place) showStep(store, { place, nodes: [name] });
      return;
    }
    perform(id);
  };
  const perform = (id: string) => {
    if (id === 'undo' || id === 'redo') return store.history({ type: id });
    if (id === 'problems' || id === 'versions' || id === 'json') return store.session({ type: 'panel', panel: id });
    if (id === 'delete') return sayRefusal(removeSelected(store));
    if (id === 'arrange') return void arrange();
    if (id === 'fit') return void fitView({ maxZoom: 1, padding: 0.2, duration: 150 });
    if (id === 'trigger') return showStep(store, { place: { in: 'run' }, nodes: [TRIGGER] });
  };
  return { groups, run };
}

function iconFor(id: string): LucideIcon {
  return id.startsWith('add:') ? iconOf(id.slice(4)) : (ICONS[id] ?? CircleDot);
}
