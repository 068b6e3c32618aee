import type { Effect } from '@millrace/workflow/effects';
import type { RunEvent } from '@millrace/workflow/events';
import { commit } from './commit.ts';
import { type Execution, isHandingBack } from './execution.ts';
import { apply, type NotedEffect, noteEffect } from './notes.ts';
import { collectIterations, evaluateOutput, evaluateUntil } from './outputs.ts';
import { takeSignals } from './signals.ts';
import { startStep } from './start-step.ts';
import { EvaluationInterruptedError } from './step-values.ts';

type Work = Exclude<Effect, NotedEffect>;

/** A loop over thousands of pure steps is recorded in parts of about so many steps. */
const MOST_STEPS_A_RECORD = 200;
/** Each may have 16 MiB, in memory and then on its way to the database. */
const MOST_LARGE_VALUES_A_RECORD = 4;

/**
 * Carries out effects and all that follows from them, until only actions are left to do; then records the lot. Steps
 * without outside effect run here and now, so a chain of them costs one record. All that only has to be noted is noted
 * before any work: whenever a record is made, it holds everything but work, which a next owner finds by the state. What is
 * said to the run meanwhile is taken in between two works, and so is the end of its time. A program that ends leaves the rest to
 * the next owner.
 */
export async function act(run: Execution, effects: readonly Effect[]): Promise<void> {
  const queue: Work[] = note(run, effects);
  for (let work = queue.shift(); work !== undefined; work = queue.shift()) {
    if (isHandingBack(run)) {
      run.neverBegun.push(...[work, ...queue].flatMap((one) => (one.type === 'startStep' ? [one.stepKey] : [])));
      break;
    }
    if (run.isSpokenTo) queue.push(...note(run, await takeSignals(run)));
    if (isOverdue(run)) queue.push(...note(run, apply(run, { type: 'time.passed', at: run.clock() })));
    const event = await performUnlessCancelled(run, work);
    if (event !== null) queue.push(...note(run, apply(run, event)));
    if (isFull(run)) await commit(run);
  }
  await commit(run);
}

function isFull({ changes: { steps, largeCount } }: Execution): boolean {
  return steps.size >= MOST_STEPS_A_RECORD || largeCount >= MOST_LARGE_VALUES_A_RECORD;
}

/** A loop of many pure steps is one long act, and must not outlast the time that the run has. */
function isOverdue({ state, clock }: Execution): boolean {
  return state.deadlineAt !== undefined && state.deadlineAt <= clock();
}

/** Notes what only has to be noted and answers the work. */
export function note(run: Execution, effects: readonly Effect[]): Work[] {
  const works: Work[] = [];
  for (const effect of effects) {
    if (isWork(effect)) works.push(effect);
    else noteEffect(run, effect);
  }
  return works;
}

function isWork(effect: Effect): effect is Work {
  return ['startStep', 'evaluateOutput', 'evaluateUntil', 'collectIterations'].includes(effect.type);
}

/** Null also when the run is cancelled during an evaluation: that is taken in next. */
async function performUnlessCancelled(run: Execution, work: Work): Promise<RunEvent | null> {
  try {
    return await perform(run, work);
  } catch (error) {
    if (error instanceof EvaluationInterruptedError) return null;
    throw error;
  }
}

/** Answers the event that comes of it at once; null for what is under way from now on. */
function perform(run: Execution, work: Work): Promise<RunEvent | null> {
  switch (work.type) {
    case 'startStep':
      return startStep(run, work);
    case 'evaluateOutput':
      return evaluateOutput(run, work);
    case 'evaluateUntil':
      return evaluateUntil(run, work);
    case 'collectIterations':
      return collectIterations(run, work);
    default:
      return work satisfies never;
  }
}
