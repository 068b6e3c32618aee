import { AppError } from '@millrace/shared/errors';
import { newId } from '@millrace/shared/ids';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readPage, splitPage } from './page.ts';

const position = fc.record({
  createdAt: fc.date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
  id: fc.uuid(),
});

it('hands on every position unchanged from one page to the next', () => {
  fc.assert(
    fc.property(position, position, (last, beyond) => {
      const { page, nextCursor } = splitPage([last, beyond], 1);
      expect(page).toEqual([last]);
      expect(nextCursor?.length).toBeLessThanOrEqual(400); // what the contract lets back in
      expect(readPage({ cursor: nextCursor ?? '' }).after).toEqual(last);
    }),
  );
});

it('has a next page exactly when there is one more row than asked for', () => {
  fc.assert(
    fc.property(fc.array(position, { maxLength: 12 }), fc.integer({ min: 1, max: 10 }), (rows, limit) => {
      const { page, nextCursor } = splitPage(rows.slice(0, limit + 1), limit);
      expect(page).toEqual(rows.slice(0, limit));
      expect(nextCursor !== null).toBe(rows.length > limit);
    }),
  );
});

it('asks for 50 rows from the start unless told otherwise', () => {
  expect(readPage({})).toEqual({ limit: 50, after: undefined });
  expect(readPage({ limit: 7 })).toEqual({ limit: 7, after: undefined });
});

describe('a cursor that was not ours', () => {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const time = new Date(0).toISOString();

  it.each([
    ['no base64', '%%%'],
    ['no JSON', Buffer.from('{').toString('base64url')],
    ['no tuple', encode({ createdAt: time, id: newId() })],
    ['no id', encode([time, "' OR 1=1"])],
    ['no time', encode(['yesterday', newId()])],
    ['a day that does not exist', encode(['2026-02-31T00:00:00.000Z', newId()])],
    ['a year that PostgreSQL does not know', encode(['0000-01-01T00:00:00.000Z', newId()])],
    ['too many parts', encode([time, newId(), 1])],
  ])('is refused: %s', (_name, cursor) => {
    expectRefused(cursor);
  });

  it('is refused whatever it holds', () => {
    fc.assert(fc.property(fc.string({ minLength: 1 }), (cursor) => expectRefused(cursor)));
    fc.assert(fc.property(fc.jsonValue(), (value) => expectRefused(encode(value))));
  });

  function expectRefused(cursor: string): void {
    let thrown: unknown;
    try {
      readPage({ cursor });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(AppError);
    expect(thrown).toMatchObject({ code: 'BAD_REQUEST', details: [{ path: 'querystring.cursor' }] });
  }
});
