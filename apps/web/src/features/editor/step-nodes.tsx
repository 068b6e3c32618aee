'use client';
import type { NodeProps } from '@xyflow/react';
import {
  ArrowRightLeft,
  Braces,
  CircleHelp,
  CircleX,
  Clock,
  GitFork,
  Globe,
  type LucideIcon,
  Merge,
  Play,
  Repeat,
  Reply,
  RotateCw,
  Split,
  UserCheck,
  Webhook,
  Workflow,
} from 'lucide-react';
import { memo } from 'react';
import type { CanvasNode } from './canvas.ts';
import { OpenBody } from './open-body.tsx';
import { StepNode } from './step-node.tsx';
import { summaryOf } from './summaries.ts';

type Props = NodeProps<CanvasNode>;

const KIND_ICONS: Record<string, LucideIcon> = {
  'http.request': Globe,
  transform: Braces,
  condition: GitFork,
  switch: Split,
  'parallel.join': Merge,
  foreach: Repeat,
  repeat: RotateCw,
  delay: Clock,
  approval: UserCheck,
  fail: CircleX,
  respond: Reply,
  'wait.webhook': Webhook,
  subworkflow: Workflow,
};
export const iconOf = (type: string): LucideIcon => KIND_ICONS[type] ?? CircleHelp;

const HttpRequest = memo(function HttpRequest(props: Props) {
  const { method } = (props.data.config ?? {}) as { method?: unknown };
  return (
    <StepNode {...props} icon={Globe} tone="call">
      <span className="rounded bg-sunken px-1 font-mono text-2xs font-semibold text-ink">{String(method ?? '')}</span>{' '}
      {summaryOf(props.data.type, props.data.config)}
    </StepNode>
  );
});

const Transform = memo(function Transform(props: Props) {
  return <PlainStep {...props} icon={Braces} tone="data" />;
});

const Condition = memo(function Condition(props: Props) {
  return <PlainStep {...props} icon={GitFork} tone="choice" />;
});

const Switch = memo(function Switch(props: Props) {
  return <PlainStep {...props} icon={Split} tone="choice" />;
});

const Join = memo(function Join(props: Props) {
  return <PlainStep {...props} icon={Merge} tone="choice" />;
});

const Delay = memo(function Delay(props: Props) {
  return <PlainStep {...props} icon={Clock} tone="wait" />;
});

const Approval = memo(function Approval(props: Props) {
  return <PlainStep {...props} icon={UserCheck} tone="wait" />;
});

const Fail = memo(function Fail(props: Props) {
  return <PlainStep {...props} icon={CircleX} tone="end" />;
});

const Respond = memo(function Respond(props: Props) {
  return <PlainStep {...props} icon={Reply} tone="end" />;
});

const WaitWebhook = memo(function WaitWebhook(props: Props) {
  return <PlainStep {...props} icon={Webhook} tone="wait" />;
});

const Subworkflow = memo(function Subworkflow(props: Props) {
  return <PlainStep {...props} icon={Workflow} tone="call" />;
});

const Unknown = memo(function Unknown(props: Props) {
  return <PlainStep {...props} icon={CircleHelp} tone="unknown" />;
});

const Foreach = memo(function Foreach(props: Props) {
  return (
    <StepNode {...props} icon={Repeat} tone="loop" footer={<OpenBody {...props} />}>
      {summaryOf('foreach', props.data.config)}
    </StepNode>
  );
});

const RepeatStep = memo(function RepeatStep(props: Props) {
  return (
    <StepNode {...props} icon={RotateCw} tone="loop" footer={<OpenBody {...props} />}>
      {summaryOf('repeat', props.data.config)}
    </StepNode>
  );
});

const Trigger = memo(function Trigger(props: Props) {
  return (
    <StepNode {...props} icon={props.data.type === 'trigger.webhook' ? ArrowRightLeft : Play} tone="start" isFirst>
      {summaryOf(props.data.type, props.data.config)}
    </StepNode>
  );
});

function PlainStep(props: Omit<Parameters<typeof StepNode>[0], 'children'>) {
  return <StepNode {...props}>{summaryOf(props.data.type, props.data.config)}</StepNode>;
}

export const nodeTypes = {
  trigger: Trigger,
  'http.request': HttpRequest,
  transform: Transform,
  condition: Condition,
  switch: Switch,
  'parallel.join': Join,
  foreach: Foreach,
  repeat: RepeatStep,
  delay: Delay,
  approval: Approval,
  fail: Fail,
  respond: Respond,
  'wait.webhook': WaitWebhook,
  subworkflow: Subworkflow,
  unknown: Unknown,
};
