import { expect, it } from 'vitest';
import { filesIn, largeSizeOf } from './stored-values.ts';

it('a mark is known from a value that only looks like one', () => {
  expect(largeSizeOf({ $large: { sizeBytes: 70_123 } })).toBe(70_123);
  expect(largeSizeOf({ $large: { sizeBytes: 70_123 }, other: 1 })).toBeNull();
  expect(largeSizeOf({ $large: 'no' })).toBeNull();
  expect(largeSizeOf([null])).toBeNull();
  expect(largeSizeOf(null)).toBeNull();
});

it('files are found wherever they are in a value, each once', () => {
  const file = { $file: 'f1', name: 'report.pdf', contentType: 'application/pdf', sizeBytes: 12 };
  expect(filesIn({ body: file, again: [file, { $file: 'f2' }] })).toEqual([
    { id: 'f1', name: 'report.pdf', contentType: 'application/pdf', sizeBytes: 12 },
    { id: 'f2', name: 'file', contentType: null, sizeBytes: null },
  ]);
});
