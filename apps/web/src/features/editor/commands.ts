import type { Document } from '@millrace/workflow/edit';
import { listGraphs, readOutline } from '@millrace/workflow/outline';
import { kindOf, OFFERED_KINDS } from './node-kinds.ts';
import { nameOf } from './places.ts';
import type { Session } from './session.ts';

interface CommandItem {
  /** `add:<kind>`, `go:<step>`, or a word. */
  readonly id: string;
  readonly label: string;
  readonly about: string;
  readonly keys?: string;
}

export interface CommandGroup {
  readonly heading: string;
  readonly items: readonly CommandItem[];
}

interface Situation {
  document: Document;
  session: Pick<Session, 'commands' | 'nodes' | 'edges'>;
  canUndo: boolean;
  canRedo: boolean;
  isReadOnly: boolean;
}

/** What can be done now. For a spot, only what can go there. */
export function listCommands({ document, session, canUndo, canRedo, isReadOnly }: Situation): CommandGroup[] {
  const steps = OFFERED_KINDS.map(({ type, label, about }) => ({ id: `add:${type}`, label, about }));
  const adding = isReadOnly ? [] : [{ heading: 'Add a step', items: steps }];
  if (typeof session.commands === 'object') return adding;
  const edits: CommandItem[] = [
    ...(canUndo ? [{ id: 'undo', label: 'Undo', about: '', keys: 'Ctrl Z' }] : []),
    ...(canRedo ? [{ id: 'redo', label: 'Redo', about: '', keys: 'Ctrl Shift Z' }] : []),
    ...(session.nodes.length + session.edges.length > 0
      ? [{ id: 'delete', label: 'Delete what is selected', about: '', keys: 'Del' }]
      : []),
  ];
  const views: CommandItem[] = [
    { id: 'arrange', label: 'Arrange', about: 'Put the steps in order' },
    { id: 'fit', label: 'Show everything', about: '' },
    { id: 'trigger', label: 'Trigger', about: 'What starts a run' },
    { id: 'problems', label: 'Problems', about: '' },
    { id: 'versions', label: 'Versions', about: '' },
    { id: 'json', label: 'JSON', about: 'The document as text' },
  ];
  const places = listGraphs(readOutline(document))
    .flatMap(({ nodes }) => nodes)
    .flatMap((node) =>
      node.id === null ? [] : [{ id: `go:${node.id}`, label: nameOf(node) ?? node.id, about: kindOf(node.type).label }],
    );
  const groups = [
    ...adding,
    { heading: 'Edit', items: isReadOnly ? [] : edits },
    { heading: 'View', items: views },
    { heading: 'Go to', items: places },
  ];
  return groups.filter(({ items }) => items.length > 0);
}
