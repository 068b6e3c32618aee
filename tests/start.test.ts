import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createTestDatabase } from '../packages/db/src/testing.ts';
import { readMailbox } from '../packages/mail/src/testing.ts';
import { commandLineOf, identifyProcess, sendSignal } from '../scripts/services/process-identity.ts';
import { createPrivateFolder, newDataDir } from '../scripts/services/testing.ts';
import { buildWeb } from '../scripts/web/build.ts';

// Each test starts the whole platform, some of them twice, beside other tests.
vi.setConfig({ testTimeout: 180_000 });

/** A copy of the project in a folder that only its owner can enter; as root, PostgreSQL's user cannot. */
let clone: string;
const started: Start[] = [];
const dataDirs = new Set<string>();

beforeAll(async () => {
  clone = createPrivateFolder();
  const project = dirname(import.meta.dirname);
  await buildWeb(project); // the copies find it and need not make it again
  for (const part of ['apps', 'packages', 'scripts', 'package.json', 'package-lock.json']) {
    cpSync(join(project, part), join(clone, part), { recursive: true, verbatimSymlinks: true });
  }
  copyModules(join(project, 'node_modules'), join(clone, 'node_modules'));
}, 240_000);
afterEach(async () => {
  for (const start of started.splice(0)) await start.stop();
});
afterAll(() => {
  for (const folder of [clone, ...dataDirs]) rmSync(folder, { recursive: true, force: true });
});

/** Hard links where the file system allows them: they take no time and no room. */
function copyModules(from: string, to: string): void {
  if (spawnSync('cp', ['-al', from, to]).status === 0) return;
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true, verbatimSymlinks: true });
}

interface Start {
  child: ChildProcess;
  text: () => string;
  shows: (pattern: RegExp) => Promise<string>;
  ended: Promise<[code: number | null, signal: string | null]>;
  stop: () => Promise<void>;
}

/** What `npm start` runs, without the developer's own settings. */
function start(args: string[] = [], settings: NodeJS.ProcessEnv = {}): Start {
  // As under npm, whose death ends everything: a killed test run leaves no platform behind.
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, npm_lifecycle_event: 'start', ...settings };
  const child = spawn(process.execPath, [join(clone, 'scripts', 'start.mjs'), ...args], {
    env,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
  const ended = once(child, 'close') as Start['ended'];
  const shows = async (pattern: RegExp) => {
    await expect.poll(() => text, { timeout: 150_000, interval: 50 }).toMatch(pattern);
    return pattern.exec(text)?.[1] ?? '';
  };
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  };
  const self = { child, text: () => text, shows, ended, stop };
  started.push(self);
  return self;
}

async function startToEnd(args: string[] = [], settings: NodeJS.ProcessEnv = {}) {
  const self = start(args, settings);
  const [code] = await self.ended;
  return { code, text: self.text() };
}

/** Waits until the platform runs; answers what it tells the person at the terminal. */
async function untilRunning(self: Start) {
  const dataDir = await self.shows(/Data, logs +(.+)/);
  dataDirs.add(dataDir);
  return { dataDir, api: await self.shows(/ API +(http.+)/), pids: pidsOf(dataDir) };
}

function pidsOf(dataDir: string): Record<string, number> {
  const notes = readdirSync(join(dataDir, 'run')).filter((name) => name.endsWith('.json'));
  const read = (name: string) => JSON.parse(readFileSync(join(dataDir, 'run', name), 'utf8')).pid as number;
  return Object.fromEntries(notes.map((name) => [name.replace('.json', ''), read(name)]));
}

const isAlive = (pid: number) => identifyProcess(pid) !== undefined;
const isReady = (api: string) =>
  fetch(`${api}/readyz`).then(
    (response) => response.ok,
    () => false,
  );
const askEcho = async (url: string) => {
  const answer = (await (await fetch(url)).json()) as { secretOfThisStart: string };
  return answer.secretOfThisStart;
};

describe('in a clone that nobody else can enter', () => {
  test('the first start runs a workflow whose request reached a server of this very start, and Ctrl-C leaves nothing', async () => {
    const first = start();
    const { pids, dataDir } = await untilRunning(first);
    for (const name of ['api', 'worker'])
      expect(commandLineOf(pids[name] ?? 0), `T8: ${name}`).toContain(' --disable-proto=delete ');
    expect(first.text()).toMatch(new RegExp(` Mail +no SMTP_URL: mails land in ${join(dataDir, 'mailbox')}\\n`));
    const echoUrl = await first.shows(/Demo server +(http.+)/);
    expect(await first.shows(/Output: (.+)/)).toContain(await askEcho(echoUrl));
    expect(first.text()).toMatch(/✓ Demo run [0-9a-f-]{36} succeeded/);
    expect(first.text()).toMatch(/password \S{16} \(shown only now\)/);
    expect(first.text()).toContain(
      `steps may reach 127.0.0.1/32:${new URL(echoUrl).port} and no other private address`,
    );

    // The demo user's address is to be confirmed: that mail is in the folder.
    await expect.poll(() => readMailbox(join(dataDir, 'mailbox'))).toMatchObject([{ to: 'demo@millrace.local' }]);

    first.child.kill('SIGINT');
    expect(await first.ended).toEqual([0, null]);
    const stopped = [...first.text().matchAll(/✓ (\w+) stopped/g)].map((match) => match[1]);
    expect(stopped).toEqual(['Web', 'Worker', 'API', 'Redis', 'PostgreSQL']);
    expect(Object.keys(pids).sort()).toEqual(['api', 'postgresql', 'redis', 'web', 'worker']);
    expect(Object.values(pids).filter(isAlive)).toEqual([]);
  });

  test('the second start finds the demo and does not repeat it; its echo knows another value', async () => {
    const second = start();
    const { api, dataDir } = await untilRunning(second);
    expect(second.text()).not.toContain('Demo run');
    expect(second.text()).toContain('demo@millrace.local');
    expect(await askEcho(await second.shows(/Demo server +(http.+)/))).toMatch(/^[0-9a-f-]{36}$/);
    expect(await isReady(api)).toBe(true);

    const { code, text } = await startToEnd();
    expect(code).toBe(1);
    expect(text).toContain(`is running on ${dataDir} already (pid `);
    expect(await isReady(api)).toBe(true);

    // The audit log of the demo's organization, found without being told where the database is.
    const verified = spawnSync(process.execPath, [join(clone, 'scripts', 'audit-verify.ts')], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME },
      encoding: 'utf8',
    });
    expect(verified).toMatchObject({ status: 0, stdout: expect.stringContaining('1 of 1 organizations') });
  });

  test('a start that is still stopping is waited for by the next', async () => {
    const first = start();
    const { pids } = await untilRunning(first);
    // A worker that does not react keeps the first start stopping.
    sendSignal(pids.worker ?? 0, 'SIGSTOP');
    first.child.kill('SIGTERM');
    await first.shows(/Stopping/);
    const next = start();
    await next.shows(/Waiting for an earlier start \(pid \d+\) to finish stopping/);
    sendSignal(pids.worker ?? 0, 'SIGCONT');
    await untilRunning(next);
    expect(await first.ended).toEqual([0, null]);
  });

  test('a start that was killed with everything but its children does not block the next, which ends them', async () => {
    const killed = start();
    const { pids, dataDir } = await untilRunning(killed);
    const { pid } = JSON.parse(readFileSync(join(dataDir, 'lock'), 'utf8'));
    sendSignal(killed.child.pid ?? 0, 'SIGKILL');
    sendSignal(pid, 'SIGKILL');
    await killed.ended;
    expect(Object.values(pids).filter(isAlive)).toHaveLength(5);

    const next = start();
    const after = await untilRunning(next);
    expect(Object.values(pids).filter(isAlive)).toEqual([]);
    expect(await isReady(after.api)).toBe(true);
    for (const name of ['Web', 'API', 'Worker', 'Redis', 'PostgreSQL']) {
      expect(next.text()).toContain(`Stopped the ${name} of an earlier start.`);
    }
  });

  test('what dies is named with its last words and started again on the same port', async () => {
    const self = start();
    const { pids, api } = await untilRunning(self);
    for (const [note, name] of [
      ['worker', 'Worker'],
      ['api', 'API'],
      ['redis', 'Redis'],
      ['postgresql', 'PostgreSQL'],
    ] as const) {
      sendSignal(pids[note] ?? 0, 'SIGKILL');
      await self.shows(new RegExp(`✗ ${name} ended unexpectedly \\(signal SIGKILL\\)`));
      await self.shows(new RegExp(`✓ ${name} runs again, pid (\\d+)`));
    }
    await expect.poll(() => isReady(api), { timeout: 20_000 }).toBe(true);
  });
});

test('two data folders run side by side on ports of their own, and --empty makes no demo', async () => {
  const both = [newDataDir(), newDataDir()].map((dataDir) => start(['--empty'], { MILLRACE_DATA_DIR: dataDir }));
  const [one, two] = await Promise.all(both.map(untilRunning));
  expect(one?.api).not.toBe(two?.api);
  expect(both.map((self) => self.text()).join('')).not.toMatch(/[Dd]emo|Echo/);
  // The README's commands use the variable; whoever is not on the usual port is told.
  const moved = both.filter((self) => !self.text().includes(':3001\n'));
  for (const self of moved) expect(self.text()).toMatch(/export API=http:\/\/127\.0\.0\.1:\d+/);
});

test('servers named by the environment are used, none of that kind is started, and there is no demo in them', async () => {
  const database = await createTestDatabase();
  try {
    const self = start([], {
      MILLRACE_DATA_DIR: newDataDir(),
      DATABASE_URL: database.adminUrl,
      API_DATABASE_URL: database.apiUrl,
      WORKER_DATABASE_URL: database.workerUrl,
      REDIS_URL: process.env.MILLRACE_TEST_REDIS_URL,
      WORKFLOW_QUEUE_NAME: 'start-test',
    });
    const { pids, api } = await untilRunning(self);
    expect(Object.keys(pids).sort()).toEqual(['api', 'web', 'worker']);
    expect(self.text()).not.toMatch(/Demo|PostgreSQL \d|Redis \d/);
    expect(await isReady(api)).toBe(true);
    await self.stop();
  } finally {
    await database.drop();
  }
});

test('a port that was asked for is used or refused, never replaced, and a refusal leaves nothing running', async () => {
  const occupant = createServer().listen(0, '127.0.0.1');
  await once(occupant, 'listening');
  const address = occupant.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const dataDir = newDataDir();
  dataDirs.add(dataDir);
  const { code, text } = await startToEnd(['--empty'], { MILLRACE_DATA_DIR: dataDir, API_PORT: String(port) });
  occupant.close();
  expect(code).toBe(1);
  expect(text).toContain(`Something else listens on port ${port} (API_PORT)`);
  expect(Object.values(pidsOf(dataDir))).toEqual([]);
});

test('Ctrl-C while it is still starting stops what there is and ends well', async () => {
  const dataDir = newDataDir();
  dataDirs.add(dataDir);
  const self = start(['--empty'], { MILLRACE_DATA_DIR: dataDir });
  await self.shows(/✓ PostgreSQL/);
  self.child.kill('SIGINT');
  expect(await self.ended).toEqual([0, null]);
  expect(Object.values(pidsOf(dataDir))).toEqual([]);
});

test("a setting that a program refuses is shown in the program's own words", async () => {
  const dataDir = newDataDir();
  dataDirs.add(dataDir);
  const { code, text } = await startToEnd(['--empty'], { MILLRACE_DATA_DIR: dataDir, SESSION_TTL_SEC: 'soon' });
  expect(code).toBe(1);
  expect(text).toContain('SESSION_TTL_SEC');
});

test('--demo-idp: a browser that types an address is signed in, and the provider is kept running and stopped', async () => {
  const self = start(['--empty', '--demo-idp'], { MILLRACE_DATA_DIR: newDataDir() });
  const { pids } = await untilRunning(self);
  sendSignal(pids['demo-idp'] ?? 0, 'SIGKILL');
  await self.shows(/✓ Demo-IdP runs again, pid (\d+)/);
  const address = await self.shows(/Try OAuth +open ([^\s,]+)/);
  const web = new URL(address).origin;
  expect(address).toBe(`${web}/sign-in`);
  const begin = `${web}/v1/auth/oauth/google/start?returnTo=/home`;

  const browser = createBrowser();
  const page = await browser.open(begin);
  expect(page.text).toContain('It believes whatever address you type');
  const typed = new URLSearchParams({ email: 'Ada@Example.com' });
  const { status, url } = await browser.open(page.url, { method: 'POST', body: typed });
  expect([status, url]).toEqual([200, `${web}/home`]);
  // As the page does, with the cookie that the callback set on its way through the web app.
  const refreshed = await browser.open(`${web}/v1/auth/refresh`, { method: 'POST', headers: { origin: web } });
  const { session, user } = JSON.parse(refreshed.text);
  expect(user.email).toBe('ada@example.com');
  const me = await fetch(`${web}/v1/me`, { headers: { authorization: `Bearer ${session.token}` } });
  expect(await me.json()).toMatchObject({ user: { id: user.id } });
  expect((await browser.open(begin)).text).toContain('It believes'); // asks each time

  await self.stop();
  expect(Object.values(pidsOf(await self.shows(/Data, logs +(.+)/)))).toEqual([]);
});

/** Follows redirects and keeps cookies, which do not tell the ports of a host apart. */
function createBrowser() {
  const cookies = new Map<string, string>();
  const open = async (url: string, init: RequestInit = {}): Promise<{ url: string; status: number; text: string }> => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { cookie, accept: 'text/html,*/*;q=0.8', ...init.headers };
    const response = await fetch(url, { ...init, headers, redirect: 'manual' });
    for (const set of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      cookies.set(name, value);
    }
    const location = response.headers.get('location');
    if (location) return open(new URL(location, url).href);
    return { url, status: response.status, text: await response.text() };
  };
  return { open };
}

test.each([
  ['in production', { NODE_ENV: 'production' }, 'not in production'],
  ['beside a real google', { GOOGLE_CLIENT_ID: 'x', GOOGLE_CLIENT_SECRET: 'y' }, 'unset GOOGLE_CLIENT_ID'],
  ['with an API that listens for everybody', { API_HOST: '0.0.0.0' }, 'leave API_HOST unset'],
  ['with an API that listens for everybody by IPv6', { API_HOST: '::' }, 'leave API_HOST unset'],
  ['with an API on an address of the network', { API_HOST: '192.0.2.7' }, 'leave API_HOST unset'],
  ['with a web app that listens for everybody', { WEB_HOST: '0.0.0.0' }, 'leave WEB_HOST unset'],
])('--demo-idp is refused %s', async (_name, settings, words) => {
  const dataDir = newDataDir();
  dataDirs.add(dataDir);
  const { code, text } = await startToEnd(['--empty', '--demo-idp'], { MILLRACE_DATA_DIR: dataDir, ...settings });
  expect(code).toBe(1);
  expect(text).toContain(words);
});

test('--help prints the usage and an unknown option is refused with it', async () => {
  expect(await startToEnd(['--help'])).toMatchObject({ code: 0, text: expect.stringContaining('Usage: npm start') });
  const { code, text } = await startToEnd(['--fast']);
  expect(code).toBe(1);
  expect(text).toContain("Unknown option '--fast'.");
  expect(text).toContain('Usage: npm start');
});
