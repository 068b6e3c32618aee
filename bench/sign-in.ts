import { setTimeout as delay } from 'node:timers/promises';
import autocannon from 'autocannon';
import type { Client } from './client.ts';
import type { ReadTarget } from './read-rates.ts';
import type { Stack } from './stack.ts';
import { median, percentile, printTable, show } from './table.ts';

const LOGINS_AT_ONCE = 500;
const BURSTS = 5;
const PROBE_EVERY_MS = 5;
const REFRESHING = 20;
const REFRESH_SECONDS = 5;
const TIMED_LOGINS = 100;
const JSON_HEADERS = { 'content-type': 'application/json' };

/** A2: how long other requests take while 500 people sign in at once. The logins come from a thread of their own. */
export async function measureLoginFlood(stack: Stack, client: Client, target: ReadTarget): Promise<void> {
  const probes = { healthz: [] as number[], 'authenticated read': [] as number[] };
  const statuses = { signedIn: 0, refused: 0, unanswered: 0 };
  const seconds: number[] = [];
  for (let burst = 0; burst < BURSTS; burst++) {
    let isOver = false;
    const probing = [
      probe(probes.healthz, `${stack.apiUrl}/healthz`, {}, () => isOver),
      probe(probes['authenticated read'], stack.apiUrl + target.path, target.tokenHeaders, () => isOver),
    ];
    const result = await autocannon({
      url: `${stack.apiUrl}/v1/auth/login`,
      method: 'POST',
      headers: JSON_HEADERS,
      body: JSON.stringify(client.credentials),
      connections: LOGINS_AT_ONCE,
      amount: LOGINS_AT_ONCE,
      workers: 1,
      timeout: 60,
    });
    isOver = true;
    await Promise.all(probing);
    seconds.push(result.duration);
    const { 200: signedIn, 429: refused } = statusCounts(result);
    statuses.signedIn += signedIn;
    statuses.refused += refused;
    statuses.unanswered += LOGINS_AT_ONCE - signedIn - refused;
  }
  console.log(`\n${BURSTS} times ${LOGINS_AT_ONCE} logins at once, median ${show(median(seconds))} s each:`);
  console.log(`${statuses.signedIn} signed in, ${statuses.refused} refused with 429, ${statuses.unanswered} neither`);
  const rows = Object.entries(probes).map(([name, times]) => [name, String(times.length), ...latencies(times)]);
  printTable([['meanwhile', 'requests', 'p50 ms', 'p99 ms', 'longest ms'], ...rows]);
}

/** Refreshes a second of sessions that each use their newest token, one after another. */
export async function measureRefreshes(stack: Stack, client: Client): Promise<void> {
  const cookies: string[] = [];
  while (cookies.length < REFRESHING) cookies.push(cookieOf(await post(stack, '/v1/auth/login', client.credentials)));
  const times: number[] = [];
  const started = performance.now();
  const isOver = () => performance.now() - started > REFRESH_SECONDS * 1000;
  await Promise.all(
    cookies.map(async (first) => {
      let cookie = first;
      while (!isOver()) {
        const from = performance.now();
        cookie = cookieOf(await post(stack, '/v1/auth/refresh', undefined, cookie));
        times.push(performance.now() - from);
      }
    }),
  );
  console.log(`\n${REFRESHING} sessions refreshing for ${REFRESH_SECONDS} s`);
  const rate = (times.length * 1000) / (performance.now() - started);
  printTable([
    ['refreshes/s', 'p50 ms', 'p99 ms', 'longest ms'],
    [show(rate), ...latencies(times)],
  ]);
}

/** A3: what a failed login takes when the address is known and when it is not, one by one and in turn. */
export async function measureLoginTimes(stack: Stack, client: Client): Promise<void> {
  const times = { 'wrong password': [] as number[], 'unknown address': [] as number[] };
  for (let index = 0; index < TIMED_LOGINS; index++) {
    const wrong = { ...client.credentials, password: `not the password ${index}` };
    const kinds = [
      ['wrong password', wrong],
      ['unknown address', { ...wrong, email: `nobody-${index}@example.com` }],
    ] as const;
    // Who comes first takes turns too.
    for (const [kind, body] of index % 2 === 0 ? kinds : kinds.toReversed())
      times[kind].push(await timeRefusal(stack, body));
  }
  console.log(`\n${TIMED_LOGINS} failed logins of each kind, one at a time and in turn`);
  const rows = Object.entries(times).map(([name, all]) => [name, ...latencies(all)]);
  printTable([['', 'p50 ms', 'p99 ms', 'longest ms'], ...rows]);
  const [known, unknown] = [median(times['wrong password']), median(times['unknown address'])];
  console.log(`the medians differ by ${show(Math.abs(known - unknown))} ms`);
}

/** One request after another, with a pause, and how long each took. */
async function probe(times: number[], url: string, headers: Record<string, string>, isOver: () => boolean) {
  while (!isOver()) {
    const from = performance.now();
    const response = await fetch(url, { headers });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`${url} answered ${response.status} while people signed in`);
    times.push(performance.now() - from);
    await delay(PROBE_EVERY_MS);
  }
}

async function timeRefusal(stack: Stack, body: object): Promise<number> {
  const from = performance.now();
  const response = await fetch(`${stack.apiUrl}/v1/auth/login`, {
    method: 'POST',
    headers: JSON_HEADERS,
    body: JSON.stringify(body),
  });
  await response.arrayBuffer();
  if (response.status !== 401) throw new Error(`a login that must fail answered ${response.status}`);
  return performance.now() - from;
}

async function post(stack: Stack, path: string, body?: object, cookie?: string): Promise<Response> {
  const response = await fetch(`${stack.apiUrl}${path}`, {
    method: 'POST',
    headers: { ...JSON_HEADERS, origin: 'http://localhost:3000', ...(cookie && { cookie }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response;
}

function cookieOf(response: Response): string {
  return response.headers.getSetCookie()[0]?.split(';')[0] ?? '';
}

function latencies(times: number[]): string[] {
  return [median(times), percentile(times, 0.99), Math.max(...times)].map(show);
}

/** The counts by status are in autocannon's result, but not in its types. */
function statusCounts(result: autocannon.Result): { 200: number; 429: number } {
  const { statusCodeStats = {} } = result as { statusCodeStats?: Record<string, { count: number }> };
  return { 200: statusCodeStats['200']?.count ?? 0, 429: statusCodeStats['429']?.count ?? 0 };
}
