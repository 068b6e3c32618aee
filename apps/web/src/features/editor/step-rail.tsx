'use client';
import { addStepOfKind } from './actions.ts';
import { useEditorTools } from './editor-context.tsx';
import { OFFERED_KINDS } from './node-kinds.ts';
import { iconOf } from './step-nodes.tsx';
import { STEP_TYPE } from './use-dropping.ts';
import { sayRefusal } from './use-editor.ts';

/** The kinds of steps: pressed, one is added where somebody looks; dragged, where it is dropped. */
export function StepRail() {
  const { store } = useEditorTools();
  return (
    <nav
      aria-label="Add a step"
      className="flex w-[5.25rem] shrink-0 flex-col gap-0.5 overflow-y-auto border-r border-line bg-surface p-1.5"
    >
      {OFFERED_KINDS.map(({ type, label, about }) => {
        const Icon = iconOf(type);
        return (
          <button
            key={type}
            type="button"
            title={about}
            draggable
            onDragStart={({ dataTransfer }) => {
              dataTransfer.setData(STEP_TYPE, type);
              dataTransfer.effectAllowed = 'copy';
            }}
            onClick={() => sayRefusal(addStepOfKind(store, type))}
            className="grid cursor-grab justify-items-center gap-1 rounded-lg px-1 py-2 text-2xs font-medium text-muted hover:bg-hover hover:text-ink"
          >
            <Icon aria-hidden className="size-4.5" />
            {label}
          </button>
        );
      })}
    </nav>
  );
}
