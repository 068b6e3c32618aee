'use client';
import { CircleCheckBig, Globe, type LucideIcon, PenLine, ShoppingCart, Workflow } from 'lucide-react';
import { EmptyState } from '../../ui/surfaces.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { SCRATCH, TEMPLATES, type WorkflowTemplate } from './templates.ts';
import { useNewWorkflow } from './use-workflow-list.ts';

const ICONS: Record<WorkflowTemplate['id'], LucideIcon> = {
  'purchase-approval': CircleCheckBig,
  'website-check': Globe,
  'sort-orders': ShoppingCart,
};

export function EmptyWorkspace() {
  const { can } = useOrganization();
  if (can('workflow:write')) return <Choices />;
  return (
    <EmptyState icon={Workflow} title="No workflows yet">
      <p>Somebody who may build them has to make the first one.</p>
    </EmptyState>
  );
}

function Choices() {
  const { start, isBusy, busyWith } = useNewWorkflow();
  const choose = (name: string, dsl: Record<string, unknown>) => start({ name, dsl });
  return (
    <section aria-label="Make the first workflow" className="grid gap-5">
      <p className="max-w-xl text-sm text-muted">
        Nothing here yet. Begin with something that works, or with one empty step.
      </p>
      <div className="grid gap-4 sm:grid-cols-2 xl:grid-cols-4">
        {TEMPLATES.map(({ id, name, about, dsl }) => (
          <Choice
            key={id}
            icon={ICONS[id]}
            name={name}
            about={about}
            isDisabled={isBusy}
            isBusy={busyWith?.name === name}
            onChoose={() => choose(name, dsl)}
          />
        ))}
        <Choice
          icon={PenLine}
          name="Start from scratch"
          about="One step that answers what it was given. The rest is yours."
          isDisabled={isBusy}
          isBusy={busyWith?.name === 'Untitled workflow'}
          onChoose={() => choose('Untitled workflow', SCRATCH)}
        />
      </div>
    </section>
  );
}

interface ChoiceProps {
  icon: LucideIcon;
  name: string;
  about: string;
  isDisabled: boolean;
  isBusy: boolean;
  onChoose: () => void;
}

function Choice({ icon: Icon, name, about, isDisabled, isBusy, onChoose }: ChoiceProps) {
  return (
    <button
      type="button"
      disabled={isDisabled}
      aria-busy={isBusy || undefined}
      onClick={onChoose}
      className="grid content-start justify-items-start gap-2.5 rounded-xl border border-line bg-surface p-5 text-left shadow-card transition-colors hover:border-accent"
    >
      <span className="grid size-9 place-items-center rounded-lg bg-accent-soft text-accent">
        <Icon aria-hidden className="size-4.5" />
      </span>
      <span className="font-medium">{name}</span>
      <span className="text-sm text-muted">{about}</span>
    </button>
  );
}
