import { expect, it } from 'vitest';
import { ApiError } from '../../lib/api-error.ts';
import { NoticeForm, nameUnconfirmed } from './notice-form.ts';

const fields = { channel: 'none', emails: ['ada@example.com'], url: 'https://hooks.example.com/x' } as const;
const parse = (changes: object) => NoticeForm.safeParse({ ...fields, ...changes });
const problems = (changes: object) =>
  parse(changes).error?.issues.map(({ path, message }) => [path.join('.'), message]);

it('sends what belongs to the chosen channel and nothing else', () => {
  expect(parse({}).data).toEqual({ channel: 'none' });
  expect(parse({ channel: 'email' }).data).toEqual({ channel: 'email', emails: ['ada@example.com'] });
  expect(parse({ channel: 'webhook' }).data).toEqual({ channel: 'webhook', url: fields.url });
});

it('says beside the field what the chosen channel lacks', () => {
  expect(problems({ channel: 'email', emails: [] })).toEqual([['emails', 'Choose at least one member.']]);
  expect(problems({ channel: 'webhook', url: '' })).toContainEqual(['url', 'is required']);
  expect(problems({ channel: 'webhook', url: 'https://hooks.example.com/***' })).toEqual([
    ['url', 'must be the whole URL, not the masked one of an answer'],
  ]);
  expect(problems({ emails: [], url: 'nonsense' })).toBeUndefined();
});

it('names the addresses that the API counted', () => {
  const details = [{ path: 'body.emails.1', code: 'NOT_A_VERIFIED_MEMBER', message: 'must be confirmed' }];
  const error = new ApiError(400, { code: 'BAD_REQUEST', message: 'x', details });
  expect(nameUnconfirmed(error, ['ada@example.com', 'grace@example.com'])).toMatchObject({
    details: [{ path: 'emails', message: 'Not confirmed by its member yet: grace@example.com.' }],
  });
});

it('leaves any other error as it is', () => {
  const other = new ApiError(500, { code: 'INTERNAL', message: 'x' });
  expect(nameUnconfirmed(other, ['ada@example.com'])).toBe(other);
});
