import type { ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { OpenApi, Operation, Schema } from './document.ts';
import type { Answer, Concrete } from './send.ts';

/** Says what is wrong with an answer, or nothing. */
export type Judge = (operation: Operation, concrete: Concrete, answer: Answer) => string | undefined;

/** What an answer may be when the request did not reach a route: it was unreadable, or its path is nobody's. */
const OFF_ROUTE = new Set([400, 401, 403, 404, 405, 413, 414, 415, 431]);
/** A server that is set up without a provider says so; nothing is broken. */
const NOT_SET_UP = 'OAUTH_PROVIDER_NOT_CONFIGURED';
const LEAK =
  /node_modules|\.ts:\d|\bat \w+ \(|SELECT .+ FROM|INSERT INTO|violates|constraint "|syntax error|postgres|FST_|ECONN/;

/** Compiles every schema of the document once. */
export function openJudge(document: OpenApi): Judge {
  const ajv = new Ajv2020({ strict: false, allErrors: false });
  addFormats.default(ajv);
  const compiled = new Map<string, ValidateFunction>();
  const matches = (schema: Schema, body: unknown): string | undefined => {
    const key = JSON.stringify(schema);
    const validate = compiled.get(key) ?? ajv.compile({ ...schema, components: document.components });
    compiled.set(key, validate);
    return validate(body) ? undefined : ajv.errorsText(validate.errors);
  };
  const envelope: Schema = { $ref: '#/components/schemas/Error' };
  return (operation, concrete, answer) => {
    const declared = operation.answers[String(answer.status)];
    const isGeneric = !concrete.isOnRoute && OFF_ROUTE.has(answer.status);
    if (!declared && !isGeneric) return `the document does not declare ${answer.status} for ${operation.id}`;
    const media = mediaOf(answer);
    const schemas = declared?.content ?? (isGeneric ? { 'application/json': { schema: envelope } } : {});
    const schema = schemas[media]?.schema;
    if (Object.keys(schemas).length === 0) return answer.text === '' ? undefined : 'a body came that is not declared';
    if (schemas[media] === undefined) return `the document does not declare the content type ${media || '(none)'}`;
    return judgeBody(answer, media, (body) => schema && matches(schema, body));
  };
}

function mediaOf({ headers }: Answer): string {
  return String(headers['content-type'] ?? '')
    .split(';')[0]
    ?.trim()
    .toLowerCase() as string;
}

function judgeBody(answer: Answer, media: string, matches: (body: unknown) => string | undefined): string | undefined {
  const id = answer.headers['x-request-id'];
  if (typeof id !== 'string' || id === '') return 'the answer has no x-request-id';
  if (media !== 'application/json') return judgeFailure(answer, undefined);
  if (!/^application\/json; charset=utf-8$/.test(String(answer.headers['content-type'])))
    return 'the charset is missing';
  const body = parse(answer.text);
  if (body === undefined) return 'the body is no JSON';
  const problem = matches(body);
  return problem === undefined ? judgeFailure(answer, body) : `the body does not match the document: ${problem}`;
}

function judgeFailure(answer: Answer, body: unknown): string | undefined {
  const { status, text, headers } = answer;
  if (status < 400) return undefined;
  const { code, requestId } = (body ?? {}) as { code?: unknown; requestId?: unknown };
  if (status >= 500 && !(status === 503 && code === NOT_SET_UP)) return `it answered ${status}`;
  if (requestId !== headers['x-request-id']) return 'requestId and x-request-id differ';
  return LEAK.test(text) ? 'the answer tells about the inside' : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
