import { createRun, listWorkflowRuns } from '@millrace/shared/contracts/runs';
import * as workflows from '@millrace/shared/contracts/workflows';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, createOrg, openTestApi, signUpUser, type TestApi, type TestUser } from '../../testing.ts';

const documentWith = (inputSchema: object) => ({
  version: 'v2',
  trigger: { type: 'trigger.manual', config: { inputSchema } },
  nodes: [{ id: 'one', type: 'transform', config: { value: '{% $trigger.input %}' } }],
});
const SCHEMA = {
  type: 'object',
  required: ['email'],
  properties: { email: { type: 'string' }, lines: { type: 'array', items: { $ref: '#/$defs/line' } } },
  $defs: { line: { type: 'object', properties: { count: { type: 'integer' } } } },
};

let api: TestApi;
let owner: TestUser;
let orgId: string;
let workflowId: string;

beforeAll(async () => {
  api = await openTestApi();
  owner = await signUpUser(api);
  orgId = await createOrg(api, owner);
  workflowId = await create(documentWith(SCHEMA));
  expect((await call(api, workflows.publishWorkflow, as(workflowId))).status).toBe(200);
});
afterAll(() => api.close());

const as = (id: string) => ({ params: { orgId, workflowId: id }, token: owner.token });
const start = (body?: object) => call(api, createRun, { ...as(workflowId), ...(body && { body }) });

async function create(dsl: object): Promise<string> {
  const body = { name: 'Flow', dsl };
  const created = await call(api, workflows.createWorkflow, { params: { orgId }, token: owner.token, body });
  return created.body.workflow.id;
}

it('an input that does not fit the input schema starts no run, and every path that is wrong is named', async () => {
  const { status, body } = await start({ input: { lines: [{ count: 1 }, { count: 'x' }] } });
  expect([status, body.code]).toEqual([400, 'BAD_REQUEST']);
  expect(body.details?.map(({ path, code }) => [path, code])).toEqual([
    ['input', 'INPUT_SCHEMA'],
    ['input.lines[1].count', 'INPUT_SCHEMA'],
  ]);
  for (const refused of [undefined, {}, { input: null }, { input: 'text' }])
    expect((await start(refused)).status).toBe(400);
  expect((await call(api, listWorkflowRuns, as(workflowId))).body.runs).toEqual([]);
});

it('an input that fits starts one, and the schema of a later version counts once it is published', async () => {
  const input = { email: 'a@example.com', lines: [{ count: 1 }] };
  const { status, body } = await start({ input });
  expect([status, body.run.input]).toEqual([201, input]);
  const dsl = documentWith({ required: ['phone'] });
  await call(api, workflows.updateWorkflow, { ...as(workflowId), body: { dsl, revision: 1 } });
  expect((await start({ input })).status).toBe(201);
  await call(api, workflows.publishWorkflow, as(workflowId));
  expect((await start({ input })).status).toBe(400);
  expect((await start({ input: { phone: 1 } })).status).toBe(201);
});

it('a schema that is none is refused when publishing, with its path', async () => {
  const id = await create(documentWith({ properties: { a: { pattern: '(a+)+$' } }, type: 'text' }));
  const { status, body } = await call(api, workflows.publishWorkflow, as(id));
  expect([status, body.code]).toEqual([422, 'WORKFLOW_INVALID']);
  expect(body.details?.map(({ path, code }) => `${path} ${code}`).sort()).toEqual([
    'trigger.config.inputSchema.properties.a.pattern UNSUPPORTED',
    'trigger.config.inputSchema.type INVALID_VALUE',
  ]);
});
