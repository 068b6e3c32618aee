import { workflowPins } from '@millrace/db/schema/workflows';
import { withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { and, eq, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { auditChange } from '../audit/service.ts';
import { tellQueueUnavailable } from '../runs/service.ts';
import { readWorkflow } from '../workflows/rows.ts';
import { findStep, type LoopAround } from './find-step.ts';

type Document = Record<string, unknown>;
interface Sample {
  input?: unknown;
  steps?: Record<string, unknown> | undefined;
  items?: Record<string, unknown> | undefined;
}

/**
 * Has a worker execute one step of a document, in a loop or not, with sample data; nothing is stored. Pinned outputs stand in for earlier
 * steps that the sample does not give. Throws 422 with the problems of this step alone: the rest may be unfinished.
 */
export async function testStep(
  context: OrgContext,
  workflowId: string,
  body: { dsl: Document; stepId: string; sample: Sample },
) {
  const { deps, orgId } = context;
  const pinned = await readPins(context, workflowId); // first, so that an unknown workflow is 404 whatever the body
  const { node, incoming, loops } = findStep(body.dsl, body.stepId);
  const outputs = { ...pinned, ...body.sample.steps };
  const { dsl } = body;
  const test = {
    orgId,
    workflowId,
    definition: {
      version: 'v2',
      trigger: dsl.trigger,
      nodes: [node],
      ...(dsl.constants !== undefined && { constants: dsl.constants }),
    },
    stepId: String(node.id),
    input: body.sample.input ?? null,
    outputs: incoming.length > 0 && node.type === 'parallel.join' ? pick(outputs, incoming) : outputs,
    ...(loops.length > 0 && { locals: bindLoops(loops, body.sample.items ?? {}) }),
  };
  return deps.stepTester.ask(test).catch((error: unknown) => {
    if (error instanceof AppError) tellQueueUnavailable(context, { workflowId, runId: null }, error.cause ?? error);
    throw error;
  });
}

/** What is pinned for the steps of a workflow, by their ids; also for steps that its draft has no more. */
export async function listPins(context: OrgContext, workflowId: string) {
  const rows = await selectPins(context, workflowId);
  const pins = rows.map(({ stepId, output, updatedAt }) => ({ stepId, output, updatedAt: updatedAt.toISOString() }));
  return { pins: pins.toSorted((one, other) => one.stepId.localeCompare(other.stepId)) };
}

/** Keeps a sample output for tests of later steps; runs never see it. */
export async function putPin(context: OrgContext, workflowId: string, stepId: string, output: unknown) {
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    await readWorkflow(context, tx, workflowId);
    const json = sql`${JSON.stringify(output ?? null)}::jsonb`;
    await tx
      .insert(workflowPins)
      .values({ orgId: tx.orgId, workflowId, stepId, output: json })
      .onConflictDoUpdate({
        target: [workflowPins.orgId, workflowPins.workflowId, workflowPins.stepId],
        set: { output: json, updatedAt: sql`now()` },
      });
    await auditChange(context, tx, 'workflow.pin', workflowId, { stepId }); // not the output: it may be large or private
    return { ok: true as const };
  });
}

export async function deletePin(context: OrgContext, workflowId: string, stepId: string) {
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    const rows = await tx
      .delete(workflowPins)
      .where(and(ofWorkflow(tx.orgId, workflowId), eq(workflowPins.stepId, stepId)))
      .returning({ stepId: workflowPins.stepId });
    if (rows.length === 0) throw new AppError('NOT_FOUND');
    await auditChange(context, tx, 'workflow.unpin', workflowId, { stepId });
    return { ok: true as const };
  });
}

async function readPins(context: OrgContext, workflowId: string): Promise<Record<string, unknown>> {
  const rows = await selectPins(context, workflowId);
  return Object.fromEntries(rows.map((row) => [row.stepId, row.output]));
}

async function selectPins(context: OrgContext, workflowId: string) {
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    await readWorkflow(context, tx, workflowId);
    return tx.select().from(workflowPins).where(ofWorkflow(tx.orgId, workflowId));
  });
}

function ofWorkflow(orgId: string, workflowId: string) {
  return and(eq(workflowPins.orgId, orgId), eq(workflowPins.workflowId, workflowId));
}

/** An item that is not given has no value, like that of a repeat's first turn. */
function bindLoops(loops: readonly LoopAround[], items: Record<string, unknown>): Record<string, unknown> {
  const given = loops.filter(({ id }) => Object.hasOwn(items, id)).map(({ id, as }) => [as, items[id]]);
  return Object.fromEntries([...given, ...loops.map(({ as, index }) => [`${as}Index`, index])]);
}

function pick(values: Record<string, unknown>, keys: string[]): Record<string, unknown> {
  return Object.fromEntries(keys.filter((key) => Object.hasOwn(values, key)).map((key) => [key, values[key]]));
}
