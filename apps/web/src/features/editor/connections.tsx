'use client';
import { effectiveEdges } from '@millrace/workflow/outline';
import { X } from 'lucide-react';
import { Button } from '../../ui/button.tsx';
import { Select } from '../../ui/field.tsx';
import { connectSteps, disconnectSteps } from './actions.ts';
import { type Handle, handleId, handlesOf } from './canvas.ts';
import { useEditorTools } from './editor-context.tsx';
import { PanelSection } from './panel-section.tsx';
import { nameOf } from './places.ts';
import { sayRefusal } from './use-editor.ts';
import { useStep } from './use-step.ts';

/** What a step leads to, branch by branch: the way to connect without a mouse. */
export function Connections({ id, isReadOnly }: { id: string; isReadOnly: boolean }) {
  const step = useStep(id);
  if (!step) return null;
  return (
    <PanelSection title="Leads to">
      {handlesOf(step.node, step.graph).map((branch) => (
        <Branch key={handleId(branch)} id={id} branch={branch} isReadOnly={isReadOnly} />
      ))}
    </PanelSection>
  );
}

function Branch({ id, branch, isReadOnly }: { id: string; branch: Handle; isReadOnly: boolean }) {
  const { store } = useEditorTools();
  const step = useStep(id);
  if (!step) return null;
  const { graph } = step;
  const edgeTo = (to: string) => ({ from: id, to, ...(branch === null ? {} : { branch }) });
  const targets = effectiveEdges(graph).filter((edge) => edge.from === id && edge.branch === branch);
  const label = branch === null ? 'Next' : `Branch ${branch}`;
  const offered = graph.nodes.filter(
    (node) => node.id !== null && node.id !== id && !targets.some(({ to }) => to === node.id),
  );
  return (
    <div className="grid gap-1.5">
      <span className="text-[0.8125rem] font-medium">{label}</span>
      {targets.map(({ to }) => (
        <div
          key={to}
          className="flex items-center justify-between rounded-lg bg-sunken py-0.5 pr-0.5 pl-3 text-[0.8125rem]"
        >
          <span className="truncate">{to}</span>
          {isReadOnly ? null : (
            <Button
              look="ghost"
              size="icon"
              className="size-7"
              aria-label={`Disconnect ${to} from ${label.toLowerCase()}`}
              onClick={() => sayRefusal(disconnectSteps(store, edgeTo(to)))}
            >
              <X aria-hidden />
            </Button>
          )}
        </div>
      ))}
      {isReadOnly || offered.length === 0 ? null : (
        <Select
          aria-label={`Connect ${label.toLowerCase()} to`}
          className="h-8 text-[0.8125rem]"
          value=""
          onChange={({ target }) => sayRefusal(connectSteps(store, edgeTo(target.value)))}
        >
          <option value="">Connect to…</option>
          {offered.map((node) => (
            <option key={node.id} value={node.id ?? ''}>
              {nameOf(node)}
            </option>
          ))}
        </Select>
      )}
    </div>
  );
}
