import type { ExpressionBindings } from './expression.ts';
import { type Json, setOwn } from './json.ts';
import { findStep, locateScope, stepKeyFor } from './locate.ts';
import type { Plan } from './plan.ts';
import type { RunState } from './state.ts';
import { iterationScope } from './step-keys.ts';

/** What a host keeps of a run, by step key; outputs also hold the values of iterations, by their scope. */
export type Known = {
  readonly plan: Plan;
  readonly state: RunState;
  readonly input: Json;
  readonly outputs: ReadonlyMap<string, Json>;
  readonly statuses: ReadonlyMap<string, string>;
  readonly errors: Map<string, Json>;
  readonly items: Map<string, Json[]>;
};

/** What the expressions of a tree that reads these nodes see in a scope. */
export function bind(host: Known, reads: readonly string[], scope: string): ExpressionBindings {
  const steps: ExpressionBindings['steps'] = {};
  for (const id of reads) {
    const key = stepKeyFor(host.plan, scope, id) ?? id;
    const status = host.statuses.get(key) ?? findStep(host.state, key)?.status ?? 'pending';
    const output = host.outputs.get(key);
    const error = host.errors.get(key);
    setOwn(steps, id, {
      status,
      ...(status === 'succeeded' && output !== undefined ? { output } : {}),
      ...(error === undefined ? {} : { output: null, error }),
    });
  }
  const locals: Record<string, Json> = host.state.failure === undefined ? {} : { error: { ...host.state.failure } };
  for (const { stepKey, node, index } of locateScope(host.plan, scope)?.loops ?? []) {
    const isRepeat = node.loop?.until !== null;
    const item = isRepeat ? host.outputs.get(iterationScope(stepKey, index - 1)) : host.items.get(stepKey)?.[index];
    Object.assign(
      locals,
      { [`${node.loop?.as}Index`]: index },
      item === undefined ? {} : { [node.loop?.as ?? '']: item },
    );
  }
  return {
    trigger: { type: 'trigger.manual', input: host.input, at: '1970-01-01T00:00:00.000Z' },
    run: { id: 'run-1', workflowId: 'workflow-1', version: 1, startedAt: '1970-01-01T00:00:00.000Z' },
    constants: {},
    steps,
    locals,
  };
}
