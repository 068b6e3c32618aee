import type { Run } from '@millrace/shared/contracts/runs';
import { sayDuration } from '../../lib/time.ts';

/** What a line about a run says: its version, what started it, how long it took or why it failed. */
export function describeRun(run: Pick<Run, 'version' | 'triggerType' | 'startedAt' | 'finishedAt' | 'error'>): string {
  const parts = [`v${run.version}`, sayTrigger(run.triggerType)];
  if (run.startedAt && run.finishedAt) parts.push(sayDuration(Date.parse(run.finishedAt) - Date.parse(run.startedAt)));
  if (run.error) parts.push(run.error.message);
  return parts.join(' · ');
}

function sayTrigger(type: string): string {
  return type.replace(/^trigger\./, '');
}
