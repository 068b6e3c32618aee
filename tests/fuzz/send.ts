import { type IncomingHttpHeaders, request } from 'node:http';
import type { TestApi } from '../../apps/api/src/testing.ts';
import { Raw, Reuse, writeJson } from './json.ts';
import type { ParamPlan, Plan } from './requests.ts';
import { type Place, recall, type Scene } from './scene.ts';

/** A request as it goes out. */
export interface Concrete {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string | undefined;
  /** The known place it was filled from, and the ids that its path was filled with. */
  source: Place;
  place: Place;
  /** False when a parameter was made up, so that the path may be another route's or nobody's. */
  isOnRoute: boolean;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  durationMs: number;
}

/** How requests travel: into the application in this process, or over a real connection. */
export type Transport = (concrete: Concrete) => Promise<Answer>;

const ANSWER_TIMEOUT_MS = 20_000;

export function fillPlan(plan: Plan, scene: Scene): Concrete {
  const place = choosePlace(plan, scene);
  const names = plan.operation.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
  const filled = Object.fromEntries(
    names.map((name) => [name, fillParam(plan, scene, { name, place, param: plan.params[name] })]),
  );
  const path = plan.operation.path.replace(/\{(\w+)\}/g, (_, name: string) => filled[name] ?? '');
  const body = fillBody(plan, scene);
  return {
    method: plan.operation.method,
    url: `${path}${fillQuery(plan, scene)}`,
    headers: { ...plan.headers, ...credentials(plan, scene, place), ...contentType(plan, body) },
    body,
    source: place,
    place: { ...place, ...filled },
    isOnRoute: names.every((name) => plan.params[name]?.how !== 'text'),
  };
}

/** A transport into the application itself, without sockets. */
export function injectInto(app: TestApi['app']): Transport {
  return async ({ method, url, headers, body }) => {
    const started = performance.now();
    const answer = await withDeadline(
      app.inject({ method: method as 'GET', url, headers, ...(body !== undefined && { payload: body }) }),
    );
    const durationMs = performance.now() - started;
    return { status: answer.statusCode, headers: answer.headers as IncomingHttpHeaders, text: answer.body, durationMs };
  };
}

/** A transport over connections to a listening application. */
export function connectTo(port: number): Transport {
  return (concrete) =>
    new Promise((resolve, reject) => {
      const { method, url, body } = concrete;
      const started = performance.now();
      const headers = { ...concrete.headers, ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }) };
      const path = url.replace(/[^\x21-\x7e]/g, encodeURIComponent);
      const outgoing = request({ host: '127.0.0.1', port, method, path, headers, timeout: ANSWER_TIMEOUT_MS });
      outgoing.on('response', async (response) => {
        const text = Buffer.concat(await response.toArray()).toString();
        const durationMs = performance.now() - started;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, durationMs });
      });
      outgoing.on('timeout', () => outgoing.destroy(noAnswer()));
      outgoing.on('error', reject);
      outgoing.end(body);
    });
}

/** The request as a person can send it again. */
export function describe({ method, url, headers, body }: Concrete): string {
  const lines = [`${method} ${url}`, ...Object.entries(headers).map(([name, value]) => `${name}: ${cut(value)}`)];
  return [...lines, '', body === undefined ? '(no body)' : cut(JSON.stringify(body))].join('\n    ');
}

function cut(text: string): string {
  return text.length > 1_500 ? `${text.slice(0, 1_500)}... (${text.length} characters)` : text;
}

async function withDeadline<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(noAnswer()), ANSWER_TIMEOUT_MS);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

function noAnswer(): Error {
  return new Error(`there was no answer within ${ANSWER_TIMEOUT_MS} ms`);
}

/** The places that know the most of the path's parameters. */
function choosePlace({ operation, place }: Plan, { places }: Scene): Place {
  const names = operation.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
  const known = (one: Place) => names.filter((name) => one[name] !== undefined).length;
  const most = Math.max(...places.map(known));
  const best = places.filter((one) => known(one) === most);
  return best[place % best.length] ?? {};
}

function fillParam(
  { operation }: Plan,
  scene: Scene,
  { name, place, param }: { name: string; place: Place; param: ParamPlan | undefined },
): string {
  if (!param || param.how === 'text') return param?.text ?? '';
  const own = param.how === 'place' ? place[name] : undefined;
  // In /invitations/{token}/accept it is the token of an invitation.
  const owner = new RegExp(`/([\\w-]+?)s?/\\{${name}\\}`).exec(operation.path)?.[1] ?? '';
  const schema = operation.parameters.find((parameter) => parameter.name === name)?.schema;
  const choice = schema?.enum?.[param.nth % schema.enum.length];
  const value =
    own ?? choice ?? recall(scene, `${owner}.${name}`, param.nth) ?? recall(scene, name, param.nth) ?? NOBODY;
  return encodeURIComponent(String(value).toWellFormed());
}

const NOBODY = '0197f000-0000-7000-8000-000000000000';

function fillQuery({ query, rawQuery }: Plan, scene: Scene): string {
  const parts = query.map(([name, value]) => {
    const filled = fillValue(value, scene);
    return `${name}=${encodeURIComponent((typeof filled === 'string' ? filled : writeJson(filled)).toWellFormed())}`;
  });
  const text = [...parts, ...(rawQuery === '' ? [] : [rawQuery])].join('&');
  return text === '' ? '' : `?${text}`;
}

function fillBody({ body }: Plan, scene: Scene): string | undefined {
  if (!body) return undefined;
  return 'text' in body ? body.text : writeJson(fillValue(body.value, scene));
}

function fillValue(value: unknown, scene: Scene): unknown {
  if (value instanceof Reuse) return recall(scene, value.name, value.nth) ?? value.otherwise;
  if (value instanceof Raw || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => fillValue(item, scene));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillValue(item, scene)]));
}

function credentials(plan: Plan, scene: Scene, place: Place): Record<string, string> {
  const cast = scene.casts.find(({ orgId }) => orgId === place.orgId) ?? scene.casts[0];
  const other = scene.casts.find((one) => one !== cast) ?? cast;
  if (!cast || !other) throw new Error('nobody is on the scene');
  const tokens = { ...cast.credentials, 'other owner': other.credentials.owner, nobody: undefined };
  const token = tokens[plan.sender];
  const cookie = plan.cookie === 'known' ? scene.cookies.at(-1 - (plan.place % 4)) : undefined;
  const cookieText = typeof plan.cookie === 'object' ? plan.cookie.text : cookie;
  const isAnonymous = token === undefined || (plan.cookie === 'known' && !plan.operation.isSecured);
  return {
    ...(!isAnonymous && { authorization: `Bearer ${token}` }),
    ...(cookieText !== undefined && { cookie: cookieText }),
    ...orgHeader(plan, place.orgId, other.orgId),
  };
}

function orgHeader({ orgHeader: plan, operation }: Plan, own: string | undefined, other: string) {
  const isAsked = operation.parameters.some(({ name }) => name.toLowerCase() === 'x-org-id');
  if (plan === 'missing' || (plan === 'same' && !isAsked)) return {};
  if (typeof plan === 'object') return { 'x-org-id': plan.text };
  return { 'x-org-id': plan === 'same' ? (own ?? '') : other };
}

function contentType({ contentType: type }: Plan, body: string | undefined): Record<string, string> {
  return body === undefined || type === undefined ? {} : { 'content-type': type };
}
