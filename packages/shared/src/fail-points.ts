/**
 * Named moments at which a program may be killed on purpose, so that tests meet every window that a crash could fall
 * into. `FAIL_POINT=<name>` kills the program the first time it comes by, `FAIL_POINT=<name>:<n>` the n-th time. The
 * configuration refuses the variable in production, and names that do not exist everywhere.
 */
export const FAIL_POINTS = [
  'run.before-accept',
  'run.accepted-before-wake',
  'run.woken-before-answer',
  'run.not-woken-before-take-back',
  'run.cancelled-before-ring',
  'run.decided-before-wake',
  'run.resumed-before-wake',
  'run.retried-before-wake',
  'bulk.cancelled-before-ring',
  'bulk.retried-before-wake',
  'hook.stored-before-run',
  'hook.run-made-before-wake',
  'run.claimed-before-act',
  'step.answered-before-record',
  'attempt.offered',
  'attempt.taken-before-sent',
  'attempt.answered-before-stored',
  'attempt.stored-before-ring',
  'attempt.revoked-before-ring',
  'attempt.forgotten-before-ring',
  'run.before-record',
  'run.after-record',
  'run.before-last-record',
  'run.ended-before-job-removed',
  'run.ended-before-place-given',
  'run.ended-before-admission',
  'run.paused-before-wake',
  'run.handed-back-before-wake',
  'run.given-up-before-delay',
  'answer.recorded-before-ring',
  'child.started-before-wake',
  'child.ended-before-parent-told',
  'step.cancelled-before-child-told',
  'family.settled-before-wake',
  'place.given-before-wake',
  'place.taken-before-ring',
  'run.admitted-by-claim-before-wake',
  'run.admitted-by-end-before-wake',
  'schedule.claimed-before-run',
  'schedule.fired-before-wake',
  'sweep.found-before-wake',
  'sweep.run-made-before-wake',
] as const;
export type FailPoint = (typeof FAIL_POINTS)[number];

let armed: { name: string; left: number } | null = null;

/** What is wrong with a value of `FAIL_POINT`, null when nothing is. */
export function problemOfFailPoint(setting: string): string | null {
  const [name = '', nth = '1', ...rest] = setting.split(':');
  const isKnown = (FAIL_POINTS as readonly string[]).includes(name);
  if (isKnown && rest.length === 0 && /^[1-9]\d{0,5}$/.test(nth)) return null;
  return `must be one of ${FAIL_POINTS.join(', ')}, and may end in :<n>`;
}

/** Called once at start, with a value that has no problem. */
export function armFailPoint(setting: string | undefined): void {
  if (setting === undefined) return;
  const [name = '', nth = '1'] = setting.split(':');
  armed = { name, left: Number(nth) };
}

/** Ends this process here and now, as SIGKILL does, when this point is armed. Otherwise it costs a comparison. */
export function failPoint(name: FailPoint): void {
  if (armed?.name !== name) return;
  armed.left -= 1;
  if (armed.left === 0) process.kill(process.pid, 'SIGKILL');
}
