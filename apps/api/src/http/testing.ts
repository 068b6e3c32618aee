import { readdirSync } from 'node:fs';
import type { Contract } from '@millrace/shared/contracts/contract';
import { newId } from '@millrace/shared/ids';
import type { FastifyInstance, HTTPMethods } from 'fastify';

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
    fileId: newId(),
    memberId: newId(),
    invitationId: newId(),
    apiKeyId: newId(),
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
  forgotPassword: { email: 'a@example.com' },
  resetPassword: { token: 'x'.repeat(43), password: 'long enough 1' },
  verifyEmail: { token: 'x'.repeat(43) },
  changePassword: { currentPassword: 'long enough 1', newPassword: 'long enough 2' },
  createOrganization: { name: 'Acme', slug: 'acme' },
  updateOrganization: { name: 'Acme' },
  deleteOrganization: { confirm: 'not-the-slug' },
  transferOrganization: { memberId: newId() },
  changeMemberRole: { roleKey: 'member' },
  createInvitation: { email: 'a@example.com', roleKey: 'member' },
  createApiKey: { name: 'Key', permissions: ['run:read'], expiresAt: null },
  putFailureNotices: { channel: 'none' },
  updateRunRetention: { days: 90 },
  createWorkflow: { name: 'Flow', dsl: { version: 'v2', nodes: [{ id: 'a', config: { x: 1 } }] } },
  updateWorkflow: { name: 'Flow', dsl: { version: 'v2' }, revision: 1 },
  publishWorkflow: { note: 'First' },
  createRun: { input: { n: [1, { m: 2 }] } },
  retryRun: { latest: true },
  cancelRuns: { filter: { workflowId: newId(), from: '2020-01-01T00:00:00Z' }, limit: 10 },
  retryRuns: { filter: { workflowId: newId(), search: 'flow' }, latest: true },
  testStep: { dsl: STEP_A, stepId: 'a', sample: { input: {}, steps: { b: 1 } } },
  putVariable: { value: { region: 'eu' } },
  putHookSecret: { secret: 'long enough to sign' },
  decideStep: { decision: 'approved' },
  putPin: { output: { n: 1 } },
};

/** The contract's path with these parameters, which are not encoded. */
export function fillPath(contract: Contract, params: Record<string, string>): string {
  return contract.path.replace(/:(\w+)/g, (_, name: string) => params[name] ?? `no-sample-for-${name}`);
}

const METHODS: HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** `METHOD /path` of everything the app serves, from its router and not from the contracts; 405 counts as not served. */
export async function readRouteTable(app: FastifyInstance): Promise<string[]> {
  const served: string[] = [];
  for (const path of readPaths(app.printRoutes({ commonPrefix: false }))) {
    for (const method of METHODS) {
      const { statusCode } = await app.inject({ method, url: path });
      if (statusCode !== 405) served.push(`${method} ${path}`);
    }
  }
  return served;
}

/** The router prints a tree: four characters a level, then the part of the path and its methods in brackets. */
function readPaths(tree: string): string[] {
  const parts: string[] = [];
  const paths: string[] = [];
  for (const line of tree.split('\n')) {
    const [, indent, part, methods] = /^(.*?)[├└]── (.*?)(?: \(([A-Z, ]+)\))?$/.exec(line) ?? [];
    if (indent === undefined || part === undefined) continue;
    const level = indent.length / 4;
    parts.splice(level, parts.length, part);
    if (methods !== undefined && methods !== 'OPTIONS') paths.push(parts.join(''));
  }
  return paths;
}
