import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SetupError } from '../services/failure.ts';
import type { Echo } from './demo-echo.ts';
import { demoWorkflow } from './demo-workflow.ts';

const UNFINISHED = 'unfinished';
const RUN_TIMEOUT_MS = 60_000;
const ENDED = ['succeeded', 'failed', 'cancelled'];

/** What is known about the demo workspace after the start that made it. The password is not kept. */
export interface DemoNote {
  email: string;
  organizationId: string;
  workflowId: string;
}

export interface Demo extends DemoNote {
  password: string;
  run: Run;
}

interface Run {
  id: string;
  status: string;
  output: unknown;
  error: { code: string; message: string } | null;
}

/** The finished demo of an earlier start, or that one was begun and not finished, or that there was none. */
export function readDemoNote(dataDir: string): DemoNote | 'unfinished' | undefined {
  const file = noteFile(dataDir);
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8');
  return text === UNFINISHED ? UNFINISHED : (JSON.parse(text) as DemoNote);
}

/**
 * Does through the API what a newcomer would do by hand: signs up, makes an organization, publishes a workflow and runs
 * it. Throws SetupError unless the run succeeded and its output proves that it called `echo`.
 */
export async function makeDemo(apiUrl: string, echo: Echo, dataDir: string): Promise<Demo> {
  // The names of an unfinished demo are taken, and its password is lost.
  const suffix = readDemoNote(dataDir) === UNFINISHED ? `-${randomBytes(3).toString('hex')}` : '';
  writeFileSync(noteFile(dataDir), UNFINISHED, { mode: 0o600 });
  const password = randomBytes(12).toString('base64url');
  const signUp = { email: `demo${suffix}@millrace.local`, password, displayName: 'Demo' };
  const { session } = await call<{ session: { token: string } }>(apiUrl, 'POST /v1/auth/signup', { body: signUp });
  const user = { token: session.token };
  const { organization } = await call<{ organization: { id: string } }>(apiUrl, 'POST /v1/orgs', {
    ...user,
    body: { name: 'Demo', slug: `demo${suffix}` },
  });
  const member = { ...user, orgId: organization.id };
  const workflows = `/v1/orgs/${organization.id}/workflows`;
  const body = { name: 'Hello, Millrace', dsl: demoWorkflow };
  const { workflow } = await call<{ workflow: { id: string } }>(apiUrl, `POST ${workflows}`, { ...member, body });
  await call(apiUrl, `POST ${workflows}/${workflow.id}/publish`, { ...member, body: {} });
  const run = await runToEnd(apiUrl, `${workflows}/${workflow.id}/runs`, member, echo.url);
  requireProof(run, echo);
  const note: DemoNote = { email: signUp.email, organizationId: organization.id, workflowId: workflow.id };
  writeFileSync(noteFile(dataDir), JSON.stringify(note));
  return { ...note, password, run };
}

interface CallOptions {
  token?: string;
  orgId?: string;
  body?: object;
}

async function runToEnd(apiUrl: string, runs: string, member: CallOptions, url: string): Promise<Run> {
  const started = await call<{ run: Run }>(apiUrl, `POST ${runs}`, { ...member, body: { input: { url } } });
  const deadline = Date.now() + RUN_TIMEOUT_MS;
  for (;;) {
    const { run } = await call<{ run: Run }>(apiUrl, `GET ${runs}/${started.run.id}`, member);
    if (ENDED.includes(run.status)) return run;
    if (Date.now() > deadline) throw new SetupError(`The demo run ${run.id} is still "${run.status}" after a minute.`);
    await delay(100);
  }
}

function requireProof(run: Run, echo: Echo): void {
  const reason = run.error ? `${run.error.code}: ${run.error.message}` : 'without an error';
  if (run.status !== 'succeeded') throw new SetupError(`The demo run ${run.id} ended as "${run.status}" (${reason}).`);
  if (JSON.stringify(run.output).includes(echo.secretOfThisStart)) return;
  throw new SetupError(
    `The demo run ${run.id} succeeded without the echo server's answer: ${JSON.stringify(run.output)}`,
  );
}

async function call<T>(apiUrl: string, route: string, { token, orgId, body }: CallOptions): Promise<T> {
  const [method = '', path = ''] = route.split(' ');
  const response = await fetch(`${apiUrl}${path}`, {
    method,
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(orgId && { 'x-org-id': orgId }),
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  });
  const text = await response.text();
  if (!response.ok) throw new SetupError(`The API answered ${response.status} to ${route}: ${text}`);
  return JSON.parse(text) as T;
}

function noteFile(dataDir: string): string {
  return join(dataDir, 'demo.json');
}
