import {
  CircleAlert,
  CircleCheck,
  CircleDashed,
  CircleSlash,
  Clock,
  LoaderCircle,
  type LucideIcon,
} from 'lucide-react';
import { cn } from '../../ui/cn.ts';
import { Badge } from '../../ui/surfaces.tsx';
import { lookOfStatus } from './run-status.ts';

export const STATUS_ICONS: Record<string, LucideIcon> = {
  succeeded: CircleCheck,
  failed: CircleAlert,
  running: LoaderCircle,
  waiting: Clock,
  cancelled: CircleSlash,
  skipped: CircleSlash,
};

export function RunStatusBadge({ status }: { status: string }) {
  const { tone, word, isLive } = lookOfStatus(status);
  const Icon = STATUS_ICONS[status] ?? CircleDashed;
  return (
    <Badge tone={tone}>
      <Icon aria-hidden className={cn('size-3.5', isLive && 'animate-spin')} />
      {word}
    </Badge>
  );
}
