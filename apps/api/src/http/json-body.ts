import { AppError, type ErrorDetail } from '@millrace/shared/errors';
import type { FastifyInstance } from 'fastify';

/** Deeper documents parse, but later code that recurses (JSON.stringify, structuredClone) would overflow its stack. */
const MAX_DEPTH = 64;
const MAX_KEYS = 10_000;

/**
 * JSON is the only body there is. Removing the text/plain parser also closes the one content type with which a
 * foreign page could send a body without asking first (CORS "simple" requests).
 */
export function acceptOnlyJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    const text = body as string;
    if (text.trim() === '') return done(null, undefined);
    try {
      assertShape(text);
    } catch (error) {
      return done(error as AppError);
    }
    parse(request, text, (error, value) => {
      if (error) return done(error);
      // Later on null means "no body was sent"; a client that sends one means something else.
      if (value === null) return done(badRequest({ path: '', code: 'INVALID_TYPE', message: 'must not be null' }));
      const problem = findUnstorable(value);
      return problem ? done(badRequest(problem)) : done(null, value);
    });
  });
}

/** Bounds depth and number of keys in one pass over the text, before anything recursive touches it. */
export function assertShape(text: string): void {
  let depth = 0;
  let keys = 0;
  let isInString = false;
  for (let index = 0; index < text.length; index++) {
    const char = text.charCodeAt(index);
    if (isInString) {
      if (char === 0x5c) index++;
      else if (char === 0x22) isInString = false;
    } else if (char === 0x22) isInString = true;
    else if (char === 0x5b || char === 0x7b) depth++;
    else if (char === 0x5d || char === 0x7d) depth--;
    else if (char === 0x3a) keys++;
    if (depth > MAX_DEPTH) throw badRequest({ path: '', code: 'TOO_DEEP', message: `nested deeper than ${MAX_DEPTH}` });
    if (keys > MAX_KEYS) throw badRequest({ path: '', code: 'TOO_MANY_KEYS', message: `more than ${MAX_KEYS} keys` });
  }
}

/**
 * Values that JSON allows and PostgreSQL cannot keep as they are: NUL and lone surrogates in text, numbers that
 * overflow to infinity. Refused here, so that nothing is silently changed on its way into a row. The path is put together
 * on the way back from a fault alone: one for each value would hold up every other request. Recurses as deep as the value
 * is nested, which `assertShape` bounds.
 */
export function findUnstorable(value: unknown): ErrorDetail | undefined {
  if (typeof value === 'string') return isStorableText(value) ? undefined : unstorableText();
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : tooLargeNumber();
  if (typeof value !== 'object' || value === null) return undefined;
  return Array.isArray(value) ? findInList(value) : findInRecord(value as Record<string, unknown>);
}

function findInList(items: readonly unknown[]): ErrorDetail | undefined {
  for (let index = 0; index < items.length; index++) {
    const problem = findUnstorable(items[index]);
    if (problem) return within(String(index), problem);
  }
  return undefined;
}

function findInRecord(record: Record<string, unknown>): ErrorDetail | undefined {
  for (const key of Object.keys(record)) {
    if (!isStorableText(key)) return unstorableText();
    const problem = findUnstorable(record[key]);
    if (problem) return within(key, problem);
  }
  return undefined;
}

function within(key: string, problem: ErrorDetail): ErrorDetail {
  return { ...problem, path: problem.path === '' ? key : `${key}.${problem.path}` };
}

/** Whether PostgreSQL can store the text: well-formed Unicode without NUL. */
export function isStorableText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\u0000');
}

function unstorableText(): ErrorDetail {
  return { path: '', code: 'TEXT_NOT_STORABLE', message: 'must be well-formed Unicode without NUL characters' };
}

function tooLargeNumber(): ErrorDetail {
  return { path: '', code: 'NUMBER_TOO_LARGE', message: 'is too large for a number' };
}

function badRequest(detail: ErrorDetail): AppError {
  return new AppError('BAD_REQUEST', undefined, { details: [detail] });
}
