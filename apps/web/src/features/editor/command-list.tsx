'use client';
import { Command } from 'cmdk';
import { Dialog } from '../../ui/dialog.tsx';
import { useEditorTools } from './editor-context.tsx';
import { saySpot } from './spots.ts';
import { useCommandList } from './use-command-list.ts';

/** Everything the editor can do, found by typing; or, for a spot, the steps that can go there. */
export function CommandList({ isReadOnly }: { isReadOnly: boolean }) {
  const { session, store } = useEditorTools();
  const { groups, run } = useCommandList(isReadOnly);
  const { commands } = session;
  const title = typeof commands === 'object' ? saySpot(commands) : 'Commands';
  return (
    <Dialog
      title={title}
      isOpen={commands !== 'closed'}
      onOpenChange={() => store.session({ type: 'commands', commands: 'closed' })}
    >
      <Command label={title} loop>
        <Command.Input
          placeholder="Search"
          className="h-10 w-full rounded-lg border border-line-strong bg-surface px-3 text-sm placeholder:text-muted"
        />
        <Command.List aria-label={title} className="mt-3 max-h-[50dvh] overflow-y-auto">
          <Command.Empty className="px-2 py-6 text-center text-sm text-muted">Nothing fits.</Command.Empty>
          {groups.map(({ heading, items }) => (
            <Command.Group
              key={heading}
              heading={heading}
              className="mb-2 [&_[cmdk-group-heading]]:px-2 [&_[cmdk-group-heading]]:py-1 [&_[cmdk-group-heading]]:text-xs [&_[cmdk-group-heading]]:font-medium [&_[cmdk-group-heading]]:text-muted"
            >
              {items.map(({ id, label, about, icon: Icon, keys }) => (
                <Command.Item
                  key={id}
                  value={`${label} ${id}`}
                  onSelect={() => run(id)}
                  className="flex cursor-pointer items-center gap-3 rounded-lg px-2 py-2 text-sm data-[selected=true]:bg-hover"
                >
                  <Icon aria-hidden className="size-4 shrink-0 text-muted" />
                  <span className="font-medium">{label}</span>
                  <span className="min-w-0 truncate text-[0.8125rem] text-muted">{about}</span>
                  {keys ? <kbd className="ml-auto text-xs text-muted">{keys}</kbd> : null}
                </Command.Item>
              ))}
            </Command.Group>
          ))}
        </Command.List>
      </Command>
    </Dialog>
  );
}
