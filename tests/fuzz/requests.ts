import fc from 'fast-check';
import type { OpenApi, Operation, Parameter } from './document.ts';
import { HOSTILE_TEXTS } from './hostile.ts';
import {
  ODD_BODIES,
  ODD_CONTENT_TYPES,
  ODD_HEADERS,
  ODD_KEYS,
  ODD_ORGS,
  ODD_PATHS,
  ODD_QUERIES,
} from './odd-requests.ts';
import { spoiledValues } from './spoil.ts';
import { type Values, validValues, wildValues } from './values.ts';

/** Who sends a request: somebody of the place it goes to, somebody else, or nobody whom the API should know. */
export type Sender =
  | 'owner'
  | 'admin'
  | 'member'
  | 'key'
  | 'other owner'
  | 'stranger'
  | 'expired'
  | 'revoked'
  | 'mangled'
  | 'nobody';

export type ParamPlan = { how: 'place' | 'elsewhere'; nth: number } | { how: 'text'; text: string };

/** A request before ids, tokens and earlier values are filled in; the same seed plans the same requests. */
export interface Plan {
  operation: Operation;
  /** Which of the known places (an organization, a workflow in it, ...) the path names. */
  place: number;
  params: Record<string, ParamPlan>;
  query: [name: string, value: unknown][];
  /** Appended as it is. */
  rawQuery: string;
  sender: Sender;
  orgHeader: 'same' | 'missing' | 'other' | { text: string };
  cookie: 'none' | 'known' | { text: string };
  headers: Record<string, string>;
  contentType: string | undefined;
  body: { value: unknown } | { text: string } | undefined;
}

/** All requests that can be made up for one operation: half of them right, the others wrong in one way or in many. */
export function planRequests(document: OpenApi, operation: Operation, samples: unknown[]): fc.Arbitrary<Plan> {
  return fc.record({
    operation: fc.constant(operation),
    place: fc.nat(1_000),
    params: planParams(operation.parameters.filter((parameter) => parameter.in === 'path')),
    query: planQuery(
      document,
      operation.parameters.filter((parameter) => parameter.in === 'query'),
    ),
    rawQuery: rarely('', ODD_QUERIES),
    sender: pick(SENDERS),
    orgHeader: rarely<Plan['orgHeader']>('same', ['missing', 'other', ...ODD_ORGS.map((text) => ({ text }))]),
    cookie: planCookie(operation),
    headers: planHeaders(operation),
    contentType: rarely<string | undefined>('application/json', ODD_CONTENT_TYPES),
    body: planBody(document, operation, samples),
  });
}

const SENDERS: [weight: number, sender: Sender][] = [
  [40, 'owner'],
  [15, 'admin'],
  [10, 'member'],
  [8, 'key'],
  [7, 'other owner'],
  [4, 'stranger'],
  [4, 'expired'],
  [4, 'revoked'],
  [4, 'mangled'],
  [4, 'nobody'],
];

function planParams(parameters: Parameter[]): fc.Arbitrary<Plan['params']> {
  const known = fc.record({ how: fc.constant('place' as const), nth: fc.nat(200) });
  const elsewhere = fc.record({ how: fc.constant('elsewhere' as const), nth: fc.nat(200) });
  const text = fc.record({ how: fc.constant('text' as const), text: fc.constantFrom(...ODD_PATHS) });
  const one = fc.oneof(
    { weight: 30, arbitrary: known },
    { weight: 2, arbitrary: elsewhere },
    { weight: 2, arbitrary: text },
  );
  return fc.record(Object.fromEntries(parameters.map(({ name }) => [name, one])));
}

/** Each known parameter now and then, mostly as its schema wants it. */
function planQuery(document: OpenApi, parameters: Parameter[]): fc.Arbitrary<Plan['query']> {
  const each = parameters.map(({ name, schema, required = false }) => {
    const right = validValues(document, schema, name);
    const value = pickFrom<unknown>([6, right], [1, wildValues(document, schema, name)], [1, texts(HOSTILE_TEXTS)]);
    const given = value.map((one): Plan['query'] => [[name, one]]);
    return required ? given : pickFrom<Plan['query']>([3, fc.constant([])], [1, given]);
  });
  return fc.tuple(...each).map((lists) => lists.flat());
}

function planCookie({ isSecured }: Operation): fc.Arbitrary<Plan['cookie']> {
  const odd = ['rt=', 'rt=x', 'rt=a.b', '__Host-rt=a.b', 'rt=%00', '=;;=', 'rt="a', `rt=${'x'.repeat(3_000)}`];
  const texted = fc.constantFrom(...odd).map((text) => ({ text }));
  const none = fc.constant('none' as const);
  return pickFrom<Plan['cookie']>([isSecured ? 20 : 2, none], [isSecured ? 1 : 4, fc.constant('known')], [1, texted]);
}

function planHeaders({ parameters }: Operation): fc.Arbitrary<Plan['headers']> {
  const odd = Object.entries(ODD_HEADERS).map(([name, values]) => texts(values).map((value) => [name, value]));
  const some = fc.array(fc.oneof(...odd), { maxLength: 2 });
  const key = fc.oneof(
    { weight: 3, arbitrary: fc.oneof(fc.nat(20), fc.nat(2 ** 30)).map((nth) => `key-${nth}`) },
    { weight: 1, arbitrary: texts(ODD_KEYS) },
  );
  const isIdempotent = parameters.some(({ name }) => name.toLowerCase() === 'idempotency-key');
  const keys = fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: isIdempotent ? 2 : 0, arbitrary: key.map((value) => [['idempotency-key', value]]) },
  );
  const sameSite = fc.constantFrom([['origin', 'http://localhost:3000']], [['sec-fetch-site', 'same-origin']], []);
  return fc.tuple(sameSite, some, keys).map((lists) => Object.fromEntries(lists.flat()));
}

function planBody(document: OpenApi, operation: Operation, samples: unknown[]): fc.Arbitrary<Plan['body']> {
  const { body, method, isBodyRequired } = operation;
  const unexpected = texts(['{}', '{"a":1}', '[]', 'null', '{', '', ' ']).map((text) => ({ text }));
  if (!body) return pickFrom<Plan['body']>([method === 'GET' ? 30 : 8, fc.constant(undefined)], [1, unexpected]);
  const valid = validValues(document, body, '');
  const sample = samples.length > 0 ? fc.constantFrom(...samples) : valid;
  const value = (values: Values) => values.map((one) => ({ value: one }));
  return pickFrom<Plan['body']>(
    [10, value(valid)],
    [3, value(sample)],
    [5, value(spoiledValues(valid))],
    [4, value(spoiledValues(sample))],
    [3, value(wildValues(document, body, ''))],
    [1, texts(ODD_BODIES).map((text) => ({ text }))],
    [isBodyRequired ? 1 : 25, fc.constant(undefined)],
  );
}

function texts(values: readonly string[]): fc.Arbitrary<string> {
  return fc.constantFrom(...values);
}

function rarely<T>(usual: T, others: readonly T[]): fc.Arbitrary<T> {
  return pickFrom<T>([12, fc.constant(usual)], [1, fc.constantFrom(...others)]);
}

function pick<T>(choices: [weight: number, value: T][]): fc.Arbitrary<T> {
  return pickFrom(...choices.map(([weight, value]): [number, fc.Arbitrary<T>] => [weight, fc.constant(value)]));
}

function pickFrom<T>(...choices: [weight: number, arbitrary: fc.Arbitrary<T>][]): fc.Arbitrary<T> {
  return fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
}
