'use client';
import type { Workflow } from '@millrace/shared/contracts/workflows';
import { CalendarClock, RefreshCw, Webhook } from 'lucide-react';
import type { ReactNode } from 'react';
import { sayTime } from '../../lib/time.ts';
import { Button } from '../../ui/button.tsx';
import { Confirm } from '../../ui/confirm.tsx';
import { CopyText } from '../../ui/copy-text.tsx';
import { Card, Notice } from '../../ui/surfaces.tsx';
import { Time } from '../../ui/time.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { useNextFires, useRotateHook } from './use-triggers.ts';

/** What starts a workflow, besides people. */
export function Triggers({ workflow }: { workflow: Workflow }) {
  const { id, hookUrl, nextFireAt, isEnabled, status } = workflow;
  return (
    <>
      {hookUrl && status === 'published' ? <Hook workflowId={id} url={hookUrl} /> : null}
      {nextFireAt ? <Schedule workflowId={id} nextFireAt={nextFireAt} /> : null}
      {isEnabled ? null : <Notice tone="warning">This workflow is off: its triggers and runs are refused.</Notice>}
    </>
  );
}

function Hook({ workflowId, url }: { workflowId: string; url: string }) {
  const { can } = useOrganization();
  const { isAsking, setAsking, rotate } = useRotateHook(workflowId);
  return (
    <TriggerCard icon={<Webhook aria-hidden />} title="Webhook" about="A request to this address starts a run.">
      <div className="flex flex-wrap items-center gap-2">
        <div className="min-w-0 flex-1 basis-72">
          <CopyText label="webhook address" text={url} />
        </div>
        {can('workflow:publish') ? (
          <Button look="secondary" size="sm" onClick={() => setAsking(true)}>
            <RefreshCw aria-hidden /> New address
          </Button>
        ) : null}
      </div>
      <Confirm
        title="Give the webhook a new address?"
        about="The address it has now stops working at once: every sender needs the new one."
        action="Make a new address"
        isOpen={isAsking}
        isBusy={rotate.isBusy}
        onConfirm={() => rotate.start()}
        onClose={() => setAsking(false)}
      />
    </TriggerCard>
  );
}

function Schedule({ workflowId, nextFireAt }: { workflowId: string; nextFireAt: string }) {
  const times = useNextFires(workflowId, nextFireAt);
  return (
    <TriggerCard icon={<CalendarClock aria-hidden />} title="Schedule" about="It starts the next runs by itself.">
      <ol aria-label="Next runs" className="grid gap-1 text-sm sm:grid-cols-2 lg:grid-cols-3">
        {times.map((time) => (
          <li key={time} className="flex flex-wrap gap-x-2">
            <span className="tabular-nums">{sayTime(time)}</span>
            <Time at={time} className="text-muted" />
          </li>
        ))}
      </ol>
    </TriggerCard>
  );
}

interface TriggerCardProps {
  icon: ReactNode;
  title: string;
  about: string;
  children: ReactNode;
}

function TriggerCard({ icon, title, about, children }: TriggerCardProps) {
  return (
    <Card className="grid min-w-0 grid-cols-[minmax(0,1fr)] gap-3 p-4 sm:px-5">
      <div className="flex items-center gap-3">
        <span className="grid size-8 shrink-0 place-items-center rounded-lg bg-accent-soft text-accent [&_svg]:size-4">
          {icon}
        </span>
        <div className="grid">
          <h2 className="text-sm font-semibold">{title}</h2>
          <p className="text-[0.8125rem] text-muted">{about}</p>
        </div>
      </div>
      {children}
    </Card>
  );
}
