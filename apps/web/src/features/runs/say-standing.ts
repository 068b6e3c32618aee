import type { Standing } from '@millrace/shared/contracts/runs';

interface StandingWords {
  title: string;
  tone: 'info' | 'warning';
  /** The sentence of the API; left out when all it adds is a time, which is shown counting down. */
  message: string | null;
}

/** These are the operator's to mend. */
const TROUBLE = new Set<Standing['code']>(['QUEUE_UNAVAILABLE', 'NO_WORKER', 'WORKER_LOST']);
const TITLES: Record<Standing['code'], string> = {
  QUEUE_UNAVAILABLE: 'The queue cannot be reached',
  NO_WORKER: 'Waiting for a worker',
  WAITING_FOR_WORKER: 'Waiting for a worker',
  WAITING_FOR_TURN: 'Waiting for its turn',
  CONCURRENCY_LIMIT: 'Waiting for another run',
  WORKER_LOST: 'Interrupted',
  EXECUTING: 'At work',
  WAITING_FOR_DECISION: 'Waiting for a decision',
  WAITING_FOR_APPROVAL: 'Waiting for an answer',
  WAITING_FOR_WEBHOOK: 'Waiting for a call',
  WAITING_FOR_RUN: 'Waiting for another run',
  WAITING_FOR_RETRY: 'The next attempt starts',
  WAITING_FOR_TIME: 'The run goes on',
};

/** Why a run is not moving, in words; null while it is. */
export function sayStanding(standing: Standing): StandingWords | null {
  const { code, until, message } = standing;
  if (code === 'EXECUTING') return null;
  const isTime = until !== null && (code === 'WAITING_FOR_RETRY' || code === 'WAITING_FOR_TIME');
  return { title: TITLES[code], tone: TROUBLE.has(code) ? 'warning' : 'info', message: isTime ? null : message };
}

/** When the step's next attempt is, if that is what it waits for and it is the only one that does. */
export function retryAtOf(standing: Standing | null, stepId: string): string | null {
  const isOnly = standing?.stepIds.length === 1 && standing.stepIds[0] === stepId;
  return standing?.code === 'WAITING_FOR_RETRY' && isOnly ? standing.until : null;
}
