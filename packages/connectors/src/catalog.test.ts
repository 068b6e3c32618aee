import { expect, test } from 'vitest';
import { z } from 'zod';
import { describeCatalog, findAction } from './catalog.ts';
import { defineAction, defineConnector } from './sdk.ts';

test('every action of the catalogue is found under its node type, and nothing else is', () => {
  const actions = describeCatalog().flatMap((entry) => entry.actions);
  expect(actions.map((action) => action.nodeType)).toEqual(['http.request']);
  for (const action of actions) expect(findAction(action.nodeType)?.name).toBe(action.name);
  for (const nodeType of ['', 'http', 'http.', 'condition', '__proto__', 'constructor', 'http.toString']) {
    expect(findAction(nodeType)).toBeUndefined();
  }
});

test('the catalogue is plain JSON with schemas that say what a person must write', () => {
  const catalog = describeCatalog();
  expect(JSON.parse(JSON.stringify(catalog))).toEqual(catalog);
  expect(catalog[0]?.actions[0]).toMatchObject({
    effect: 'write',
    idempotency: 'key',
    inputSchema: {
      type: 'object',
      required: ['method', 'url'],
      additionalProperties: false,
      properties: { method: { enum: expect.arrayContaining(['GET', 'POST']) }, body: {} },
    },
    outputSchema: { type: 'object', required: ['status', 'headers', 'body'] },
  });
});

test('two actions of one name cannot be defined', () => {
  const action = defineAction({
    name: 'same',
    displayName: 'Same',
    description: 'For tests.',
    input: z.unknown(),
    output: z.unknown(),
    effect: 'read',
    idempotency: 'natural',
    timeoutMs: 1000,
    run: async () => null,
  });
  const connector = { id: 'twice', version: '1.0.0', displayName: 'Twice', description: 'For tests.' };
  expect(() => defineConnector({ ...connector, actions: [action, action] })).toThrow('two actions of one name');
});
