import { type Canary, findCanaries, type Hit } from './search.ts';

interface Call {
  token?: string | undefined;
  orgId?: string;
  cookie?: string;
  headers?: Record<string, string>;
  body?: unknown;
  /** The status it must have, so that a scenario that went wrong is not taken for one that kept its secrets. */
  status: number;
}

interface KnownBody {
  session?: { token: string };
  organization?: { id: string };
  invitation?: { token: string };
  workflow?: { id: string; hookUrl: string | null };
  run?: { id: string; finishedAt: string | null };
  apiKey?: { id: string; key: string };
  secret?: string;
  authorizationUrl?: string;
}

/** What an answer was, parsed as far as it is JSON. */
interface Answer {
  /** What each request of a scenario reads of its answer; nothing else is in it as far as the types go. */
  body: KnownBody;
  cookie: string;
  location: string;
}

export interface Recorder {
  send(method: string, path: string, call: Call): Promise<Answer>;
  /** Says that the answer to the last request was meant to yield this. */
  yields(name: string, value: string): void;
  /** Every canary found in an answer that was not meant to yield it. */
  search(canaries: readonly Canary[]): Hit[];
  count(): number;
}

interface Recorded {
  place: string;
  text: string;
  yields: string[];
}

/** Sends requests to a running API and keeps every answer with all of its headers. */
export function openRecorder(url: string): Recorder {
  const answers: Recorded[] = [];
  return {
    async send(method, path, call) {
      const response = await fetch(`${url}${path}`, { method, redirect: 'manual', ...optionsOf(call) });
      const text = await response.text();
      const place = `answer to ${method} ${path.split('?')[0]?.slice(0, 60)}`;
      if (response.status !== call.status) throw new Error(`${place}: ${response.status} ${text}`);
      const headers = JSON.stringify([...response.headers]);
      answers.push({ place, text: `${headers}\n${text}`, yields: [] });
      const cookie = response.headers.get('set-cookie')?.split(';')[0] ?? '';
      const isJson = response.headers.get('content-type')?.startsWith('application/json');
      return { body: isJson ? JSON.parse(text) : {}, cookie, location: response.headers.get('location') ?? '' };
    },
    yields(_name, value) {
      answers.at(-1)?.yields.push(value);
    },
    search: (canaries) =>
      answers.flatMap(({ place, text, yields }) =>
        findCanaries(
          canaries.filter(({ value }) => !yields.some((whole) => whole.includes(value))),
          [{ name: place, text }],
        ),
      ),
    count: () => answers.length,
  };
}

function optionsOf({ token, orgId, cookie, headers, body }: Call): RequestInit {
  const all = {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(orgId !== undefined && { 'x-org-id': orgId }),
    ...(cookie !== undefined && { cookie, origin: 'http://localhost:3000' }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...headers,
  };
  if (body === undefined) return { headers: all };
  return { headers: all, body: typeof body === 'string' ? body : JSON.stringify(body) };
}
