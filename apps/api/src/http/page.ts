import { DEFAULT_PAGE_SIZE, Time } from '@millrace/shared/contracts/contract';
import { AppError } from '@millrace/shared/errors';
import { Id } from '@millrace/shared/ids';
import { z } from 'zod';

/** Where a keyset page goes on: after the row with this time and id, in the order newest first. */
export interface Position {
  createdAt: Date;
  id: string;
}

const Cursor = z.tuple([Time, Id]);

export function readPage(query: { limit?: number | undefined; cursor?: string | undefined }) {
  return { limit: query.limit ?? DEFAULT_PAGE_SIZE, after: query.cursor ? readCursor(query.cursor) : undefined };
}

/** Rows were read with one more than `limit`: its presence says that there is a next page. */
export function splitPage<Row extends Position>(
  rows: Row[],
  limit: number,
): { page: Row[]; nextCursor: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const nextCursor = rows.length > limit && last ? writeCursor(last) : null;
  return { page, nextCursor };
}

/** Names a place for a client to go on from. */
export function writeCursor({ createdAt, id }: Position): string {
  return Buffer.from(JSON.stringify([createdAt.toISOString(), id])).toString('base64url');
}

/** Throws 400 for what is no cursor of ours. */
export function readCursor(cursor: string): Position {
  try {
    const [createdAt, id] = Cursor.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
    return { createdAt: new Date(createdAt), id };
  } catch {
    const message = 'must be a nextCursor of an earlier page';
    throw new AppError('BAD_REQUEST', undefined, {
      details: [{ path: 'querystring.cursor', code: 'CURSOR', message }],
    });
  }
}
