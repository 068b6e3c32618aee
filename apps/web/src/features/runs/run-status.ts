import type { RunStatus } from '@millrace/shared/contracts/runs';
import type { Tone } from '../../ui/surfaces.tsx';

export const ENDED: readonly RunStatus[] = ['succeeded', 'failed', 'cancelled'];

const TONES: Record<string, Tone> = {
  succeeded: 'success',
  failed: 'danger',
  running: 'info',
  waiting: 'warning',
};

/** Colour and word of the status of a run or a step; the word says it all to whoever does not see the colour. */
export function lookOfStatus(status: string): { tone: Tone; word: string; isLive: boolean } {
  const word = status.charAt(0).toUpperCase() + status.slice(1);
  return { tone: TONES[status] ?? 'neutral', word, isLive: status === 'running' };
}
