import { expect, it } from 'vitest';
import { isChanged, parseDraft, printDraft } from './draft.ts';

it('a text that is no JSON object says why', () => {
  expect(parseDraft('[1]')).toMatchObject({ ok: false, message: 'A workflow is a JSON object.' });
  expect(parseDraft('{ "a": }')).toMatchObject({ ok: false, message: expect.stringMatching(/^This is not JSON: ./) });
  expect(parseDraft('')).toMatchObject({ ok: false });
});

it('spaces and the order of keys are no change; everything else is', () => {
  const saved = { version: 'v2', nodes: [{ id: 'a', config: { x: 1, y: null } }] };
  expect(isChanged(printDraft(saved), saved)).toBe(false);
  expect(isChanged('{"nodes":[{"config":{"y":null,"x":1},"id":"a"}],"version":"v2"}', saved)).toBe(false);
  expect(isChanged(printDraft({ ...saved, nodes: [] }), saved)).toBe(true);
  expect(isChanged(printDraft({ ...saved, more: 1 }), saved)).toBe(true);
  expect(isChanged('{"nodes":{"0":{"id":"a"}},"version":"v2"}', saved)).toBe(true);
  expect(isChanged('{', saved)).toBe(true);
});
