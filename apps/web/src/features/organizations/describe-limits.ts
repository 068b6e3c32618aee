import type { getRunLimits } from '@millrace/shared/contracts/run-limits';
import type { ApiAnswer } from '../../lib/call-api.ts';

export interface LimitFigure {
  label: string;
  value: string;
  note: string;
  /** How much of it is used, from 0 to 1; undefined where there is no limit. */
  used?: number;
}

/** The run limits as figures to look at, in the reader's way of writing numbers. */
export function describeLimits(
  { limits, running, queued, held }: ApiAnswer<typeof getRunLimits>,
  locale?: string,
): LimitFigure[] {
  const number = (value: number) => new Intl.NumberFormat(locale).format(value);
  const { maxConcurrentRuns, maxQueuedRuns, weight } = limits;
  return [
    {
      label: 'Running',
      value: number(running),
      ...(maxConcurrentRuns === null
        ? { note: 'as many as the workers can run' }
        : { note: `of ${number(maxConcurrentRuns)} at once`, used: share(running, maxConcurrentRuns) }),
    },
    {
      label: 'Queued',
      value: number(queued),
      note: `of ${number(maxQueuedRuns)}; more are refused`,
      used: share(queued, maxQueuedRuns),
    },
    { label: 'Held back', value: number(held), note: 'of the queued ones, until others of yours end' },
    { label: 'Share', value: `${number(weight)}×`, note: 'where organizations wait for the same workers' },
  ];
}

function share(value: number, most: number): number {
  return most === 0 ? 1 : Math.min(value / most, 1);
}
