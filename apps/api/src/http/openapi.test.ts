import { ERROR_CATALOG } from '@millrace/shared/errors';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTestApi, type TestApi } from '../testing.ts';
import { loadContracts } from './testing.ts';

interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  security?: object[];
  parameters?: { name: string; in: string; required?: boolean; schema: object }[];
  requestBody?: { required: boolean; content: Record<string, { schema: object }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
}

interface Document {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: Record<string, Record<string, unknown>>;
}

const contracts = await loadContracts();
let api: TestApi;
let document: Document;

beforeAll(async () => {
  api = await openTestApi();
  const response = await api.app.inject('/v1/openapi.json');
  expect(response.statusCode).toBe(200);
  document = response.json();
});

afterAll(async () => {
  await api.close();
});

it('is an OpenAPI 3.1 document whose references all lead somewhere', () => {
  expect(document.openapi).toMatch(/^3\.1\.\d+$/);
  expect(document.info).toMatchObject({ title: expect.any(String), version: expect.any(String) });
  for (const reference of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    const target = String(reference[1])
      .split('/')
      .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], document);
    expect(target, reference[0]).toBeDefined();
  }
});

const ADDRESSES = ['receiveHook POST /v1/hooks/{token}', 'resumeStep POST /v1/hooks/resume/{token}/{stepKey}'];

it('lists every contract, the addresses of webhooks and of waiting steps, and nothing else', () => {
  const printed = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { operationId }]) => `${operationId} ${method.toUpperCase()} ${path}`),
  );
  const ofContracts = contracts.map(({ id, method, path }) => `${id} ${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
  expect(printed.toSorted()).toEqual([...ofContracts, ...ADDRESSES].toSorted());
});

it.each(contracts.map((contract) => [contract.id, contract] as const))('describes %s', (_id, contract) => {
  const operation = document.paths[contract.path.replace(/:(\w+)/g, '{$1}')]?.[contract.method.toLowerCase()];
  if (!operation) throw new Error('it is not printed');
  expect(operation.summary).toBe(contract.summary);
  const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
  expect(inPath.map(({ name }) => name).toSorted()).toEqual(
    [...contract.path.matchAll(/:(\w+)/g)].map((match) => String(match[1])).toSorted(),
  );
  for (const parameter of inPath) expect(parameter.required).toBe(true);
  expect(operation.requestBody !== undefined).toBe(contract.body !== undefined);
  if (contract.body) expect(operation.requestBody?.required).toBe(!contract.body.safeParse(undefined).success);
  expect(operation.responses['302'] !== undefined).toBe(contract.redirects === true);
  for (const { content } of [operation.requestBody ?? { content: {} }])
    for (const type of Object.keys(content)) expect(type).toBe('application/json');
  let media = contract.isStream ? 'text/event-stream' : 'application/json';
  if (contract.isFile) media = 'application/octet-stream';
  expect(Object.keys(operation.responses[contract.status]?.content ?? {})).toEqual([media]);
  expect(operation.responses[contract.status]?.content?.[media]?.schema).toBeDefined();
  for (const code of contract.errors ?? [])
    expect(operation.responses).toHaveProperty(String(ERROR_CATALOG[code].status));
  for (const response of Object.values(operation.responses)) expect(response.description).toEqual(expect.any(String));
  if (contract.auth === 'bearer') expect(operation.security).toEqual([{ bearer: [] }]);
  if (contract.auth === 'public') expect(operation.security).toBeUndefined();
});

it('shows the reference at /docs, and answers 404 below it where there is nothing', async () => {
  const page = await api.app.inject('/docs/');
  expect(page.headers['content-type']).toMatch(/^text\/html/);
  expect(page.body).toContain('/v1/openapi.json');
  const bundle = await api.app.inject('/docs/js/scalar.js');
  expect(bundle.headers['content-type']).toMatch(/javascript/);
  expect(bundle.rawPayload.length).toBeGreaterThan(1_000_000);
  const none = await api.app.inject('/docs/none');
  expect([none.statusCode, none.json()]).toEqual([404, expect.objectContaining({ code: 'NOT_FOUND' })]);
  const plain = await api.app.inject('/docs');
  expect(plain).toMatchObject({ statusCode: 301, headers: { location: '/docs/' } });
});
