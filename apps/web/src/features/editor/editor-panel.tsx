'use client';
import { cn } from '../../ui/cn.ts';
import { useEditorTools } from './editor-context.tsx';
import { JsonPanel } from './json-panel.tsx';
import { ProblemsPanel } from './problems-panel.tsx';
import { RunPanel } from './run-panel.tsx';
import { type Panel, TRIGGER } from './session.ts';
import { StepPanel } from './step-panel.tsx';
import { TriggerPanel } from './trigger-panel.tsx';
import { VersionsPanel } from './versions-panel.tsx';

const TABS: { panel: Panel; label: string }[] = [
  { panel: 'step', label: 'Step' },
  { panel: 'problems', label: 'Problems' },
  { panel: 'versions', label: 'Versions' },
  { panel: 'json', label: 'JSON' },
];

/** Beside the canvas: what is selected, what is wrong, what was published, and the document as text. */
export function EditorPanel({ isReadOnly }: { isReadOnly: boolean }) {
  const { session, store, problems } = useEditorTools();
  return (
    <aside
      aria-label="Details"
      className={cn(
        'grid shrink-0 grid-rows-[auto_1fr] border-line bg-surface max-md:h-[42%] max-md:border-t md:border-l',
        session.panel === 'json' ? 'md:w-[26rem] xl:w-[36rem]' : 'md:w-[21.5rem] xl:w-[24rem]',
      )}
    >
      <div role="tablist" aria-label="Details" className="flex gap-1 border-b border-line px-3 pt-1.5">
        {TABS.map(({ panel, label }) => (
          <button
            key={panel}
            type="button"
            role="tab"
            id={`tab-${panel}`}
            aria-selected={session.panel === panel}
            aria-controls="editor-panel"
            onClick={() => store.session({ type: 'panel', panel })}
            className={cn(
              'border-b-2 border-transparent px-2 py-1.5 text-[0.8125rem] text-muted hover:text-ink',
              session.panel === panel && 'border-accent font-medium text-ink',
            )}
          >
            {label}
            {panel === 'problems' && problems.length > 0 ? (
              <span className="ml-1.5 rounded-full bg-danger-soft px-1.5 text-2xs font-semibold text-danger">
                {problems.length}
              </span>
            ) : null}
          </button>
        ))}
      </div>
      <div
        id="editor-panel"
        role="tabpanel"
        aria-labelledby={`tab-${session.panel}`}
        className="min-h-0 overflow-y-auto"
      >
        {session.panel === 'step' ? <Selected isReadOnly={isReadOnly} /> : null}
        {session.panel === 'problems' ? <ProblemsPanel /> : null}
        {session.panel === 'versions' ? <VersionsPanel isReadOnly={isReadOnly} /> : null}
        {session.panel === 'json' ? <JsonPanel isReadOnly={isReadOnly} /> : null}
      </div>
    </aside>
  );
}

function Selected({ isReadOnly }: { isReadOnly: boolean }) {
  const { nodes } = useEditorTools().session;
  const [id] = nodes;
  if (nodes.length > 1) return <p className="p-4 text-sm text-muted">{nodes.length} steps are selected.</p>;
  if (id === TRIGGER) return <TriggerPanel isReadOnly={isReadOnly} />;
  return id === undefined ? (
    <RunPanel isReadOnly={isReadOnly} />
  ) : (
    <StepPanel key={id} id={id} isReadOnly={isReadOnly} />
  );
}
