import { readdirSync } from 'node:fs';
import type { Contract } from '@millrace/shared/contracts/contract';
import { newId } from '@millrace/shared/ids';

/** Every contract there is, found by looking: one that is added is tested without being listed anywhere. */
export async function loadContracts(): Promise<Contract[]> {
  const folder = new URL('../../../../packages/shared/src/contracts/', import.meta.url);
  const files = readdirSync(folder).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'));
  const modules = await Promise.all(files.map((file) => import(/* @vite-ignore */ new URL(file, folder).href)));
  return modules.flatMap((module: Record<string, unknown>) => Object.values(module).filter(isContract));
}

function isContract(value: unknown): value is Contract {
  return typeof value === 'object' && value !== null && 'method' in value && 'path' in value && 'response' in value;
}

/** Parameters that are well formed and belong to nothing, except `orgId`. */
export function sampleParams(orgId: string): Record<string, string> {
  return {
    orgId,
    workflowId: newId(),
    runId: newId(),
    memberId: newId(),
    invitationId: newId(),
    sessionId: newId(),
    version: '1',
    stepId: 'fetch',
    name: 'region',
    token: 'x'.repeat(43),
    provider: 'google',
  };
}

const STEP_A = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [{ id: 'a', type: 'transform', config: { value: 1 } }],
  edges: [],
};

/** A body that the contract's schema accepts, by contract id. */
export const SAMPLE_BODIES: Record<string, Record<string, unknown>> = {
  signUp: { email: 'a@example.com', password: 'long enough 1', displayName: 'A' },
  logIn: { email: 'a@example.com', password: 'long enough 1' },
  createOrganization: { name: 'Acme', slug: 'acme' },
  updateOrganization: { name: 'Acme' },
  deleteOrganization: { confirm: 'not-the-slug' },
  changeMemberRole: { roleKey: 'admin' },
  createInvitation: { email: 'a@example.com', roleKey: 'member' },
  createWorkflow: { name: 'Flow', dsl: { version: 'v2', nodes: [{ id: 'a', config: { x: 1 } }] } },
  updateWorkflow: { name: 'Flow', dsl: { version: 'v2' }, revision: 1 },
  publishWorkflow: { note: 'First' },
  createRun: { input: { n: [1, { m: 2 }] } },
  testStep: { dsl: STEP_A, stepId: 'a', sample: { input: {}, steps: { b: 1 } } },
  putVariable: { value: { region: 'eu' } },
  putPin: { output: { n: 1 } },
};

/** The contract's path with these parameters, which are not encoded. */
export function fillPath(contract: Contract, params: Record<string, string>): string {
  return contract.path.replace(/:(\w+)/g, (_, name: string) => params[name] ?? `no-sample-for-${name}`);
}
