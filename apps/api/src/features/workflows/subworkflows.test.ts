import { createWorkflow, publishWorkflow, updateWorkflow } from '@millrace/shared/contracts/workflows';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { addOrganization, type Person } from '../organizations/testing.ts';

let api: TestApi;
let mine: { orgId: string; owner: Person };
let theirs: { orgId: string; owner: Person };

beforeAll(async () => {
  api = await openTestApi();
  [mine, theirs] = [await addOrganization(api), await addOrganization(api)];
});
afterAll(async () => {
  await api.close();
});

const document = (nodes: object[]) => ({ version: 'v2', trigger: { type: 'trigger.manual' }, nodes });
const calls = (id: string, workflowId: string, version?: number) => ({
  id,
  type: 'subworkflow',
  config: { workflowId, ...(version !== undefined && { version }) },
});

async function create({ orgId, owner }: typeof mine, dsl: object): Promise<string> {
  const { body } = await call(api, createWorkflow, {
    token: owner.token,
    params: { orgId },
    body: { name: 'Flow', dsl },
  });
  return body.workflow.id;
}
const publish = ({ orgId, owner }: typeof mine, workflowId: string) =>
  call(api, publishWorkflow, { token: owner.token, params: { orgId, workflowId } });

it('publishing names every workflow that a document calls and that is not there, wherever the step stands', async () => {
  const simple = document([{ id: 'a', type: 'transform', config: { value: 1 } }]);
  const [published, draft, foreign] = [
    await create(mine, simple),
    await create(mine, simple),
    await create(theirs, simple),
  ];
  expect((await publish(mine, published)).status).toBe(200);
  expect((await publish(theirs, foreign)).status).toBe(200);
  const body = { nodes: [calls('inside', newId())] };
  const nodes = [
    calls('fine', published.toUpperCase(), 1),
    calls('later', published, 2),
    calls('draft', draft),
    calls('foreign', foreign),
    { id: 'each', type: 'foreach', config: { items: [1], body } },
  ];
  const answer = await publish(mine, await create(mine, document(nodes)));
  expect(answer.status).toBe(422);
  expect(answer.body.details?.map(({ path, code }) => `${path} ${code}`)).toEqual([
    'nodes[1].config.version UNKNOWN_VERSION',
    'nodes[2].config.workflowId NOT_PUBLISHED',
    'nodes[3].config.workflowId UNKNOWN_WORKFLOW',
    'nodes[4].config.body.nodes[0].config.workflowId UNKNOWN_WORKFLOW',
  ]);
});

it('a workflow may call itself, in the version that is being published too', async () => {
  const id = await create(mine, document([]));
  const { body } = await call(api, createWorkflow, {
    token: mine.owner.token,
    params: { orgId: mine.orgId },
    body: { name: 'Caller', dsl: document([calls('other', id)]) },
  });
  expect((await publish(mine, body.workflow.id)).body.details).toMatchObject([{ code: 'NOT_PUBLISHED' }]);
  await call(api, updateWorkflow, {
    token: mine.owner.token,
    params: { orgId: mine.orgId, workflowId: id },
    body: { dsl: document([calls('self', id, 1)]), revision: 1 },
  });
  expect((await publish(mine, id)).status).toBe(200);
});
