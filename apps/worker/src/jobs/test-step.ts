import { findAction } from '@millrace/connectors/catalog';
import { hideCredentials } from '@millrace/connectors/hidden-input';
import { toJsonOutput } from '@millrace/connectors/json-output';
import { runAction } from '@millrace/connectors/run-action';
import { loadVariables } from '@millrace/db/variables';
import type { StepTest, StepTestAnswer } from '@millrace/queue/step-tests';
import { newId } from '@millrace/shared/ids';
import type { WorkflowDefinition } from '@millrace/workflow/definition';
import { type ExpressionBindings, type ExpressionResult, evaluateTemplate } from '@millrace/workflow/expression';
import type { Json } from '@millrace/workflow/json';
import { type PlannedNode, planWorkflow } from '@millrace/workflow/plan';
import type { Deps } from '../deps.ts';
import { openSampleFiles } from './sample-files.ts';

/** An answer travels through Redis to somebody who looks at it: more than this is no sample any more. */
const MAX_ANSWER_BYTES = 1024 * 1024;

const SAMPLE_URL = 'https://example.com/v1/hooks/resume/sample';

type Outcome = Pick<StepTestAnswer, 'output' | 'error'>;

/**
 * Executes one step with sample values exactly as a run would: the same evaluation, the same guarded actions, one
 * attempt. Whatever goes wrong inside the step is part of the answer. Of a wait or a loop only the input is tested: it has no
 * output before the world, or its body, has answered.
 */
export async function testStep(deps: Deps, test: StepTest): Promise<StepTestAnswer> {
  const startedAt = performance.now();
  const plan = planWorkflow(test.definition as WorkflowDefinition, { maxAttempts: 1, backoffMs: 0 });
  const node = plan.nodes.get(test.stepId);
  if (node === undefined) throw new Error('the document to test does not hold its step');
  const evaluated = await evaluate(deps, test, node);
  const outcome = evaluated.ok ? await act(deps, test, node, evaluated.value) : failed(evaluated.error);
  const answer = {
    input: evaluated.ok ? hideCredentials(node.kind.type, evaluated.value) : null,
    ...outcome,
    durationMs: Math.round(performance.now() - startedAt),
  };
  return Buffer.byteLength(JSON.stringify(answer)) <= MAX_ANSWER_BYTES ? answer : tooLarge(answer);
}

async function evaluate(deps: Deps, test: StepTest, node: PlannedNode): Promise<ExpressionResult> {
  const vars = node.config.readsVars ? await loadVariables(deps.db, test.orgId) : {};
  const bound = bind(test);
  // Nobody waits in a test: it shows where the address will stand.
  const urls = node.config.resumes.map((id) => [id, { status: 'pending', ...bound.steps[id], resumeUrl: SAMPLE_URL }]);
  const steps = { ...bound.steps, ...Object.fromEntries(urls) };
  const bindings = { ...bound, steps, vars: vars as Record<string, Json> };
  const request = { templates: node.config.tree, path: 'config', bindings };
  if (node.config.isPlain) return evaluateTemplate(request);
  // All bindings are sent: the node was planned outside of the loops whose names it may read.
  return deps.expressions.evaluate({ ...request, now: Date.now(), seed: `${bindings.run.id}:${node.id}` });
}

function bind({ workflowId, definition, input, outputs, locals }: StepTest): ExpressionBindings {
  const at = new Date().toISOString();
  const steps = Object.entries(outputs).map(([id, output]) => [id, { status: 'succeeded', output: output as Json }]);
  return {
    trigger: { type: 'trigger.manual', input: input as Json, at },
    run: { id: newId(), workflowId, version: 0, startedAt: at },
    constants: (definition.constants ?? {}) as Record<string, Json>,
    steps: Object.fromEntries(steps),
    ...(locals && { locals: locals as Record<string, Json> }),
  };
}

async function act(deps: Deps, test: StepTest, node: PlannedNode, input: Json): Promise<Outcome> {
  if (node.kind.run) {
    const result = node.kind.run({ config: input, collected: test.outputs as Record<string, Json> });
    return result.ok ? { output: toJsonOutput(result.output), error: null } : failed(result.error);
  }
  if (node.kind.wait || node.kind.loop) {
    const begun = node.kind.wait?.({ config: input, at: Date.now() }) ?? node.kind.loop?.(input);
    return begun && !begun.ok ? failed(begun.error) : { output: null, error: null };
  }
  const action = findAction(node.kind.type);
  if (action === undefined) throw new Error(`no action is called ${node.kind.type}`);
  const result = await runAction(action, {
    input,
    http: deps.http,
    files: openSampleFiles(deps.config.WORKFLOW_MAX_FILE_BYTES),
    idempotencyKey: newId(),
    ...(node.timeoutMs !== null && { timeoutMs: node.timeoutMs }),
  });
  return result.ok ? { output: result.output, error: null } : failed(result.error);
}

function failed({ code, message }: { code: string; message: string }): Outcome {
  return { output: null, error: { code, message } };
}

function tooLarge({ durationMs }: StepTestAnswer): StepTestAnswer {
  const message = 'Input and output together are larger than 1 MiB: too large to show in a test. A run can carry them.';
  return { input: null, ...failed({ code: 'OUTPUT_TOO_LARGE', message }), durationMs };
}
