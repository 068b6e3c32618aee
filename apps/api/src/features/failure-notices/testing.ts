/** Failing runs and a receiver of webhooks, for tests of notices. */
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connectDatabase, type Database } from '@millrace/db/connect';
import { claimRun, recordRun } from '@millrace/db/run-ownership';
import { insertQueuedRun } from '@millrace/db/runs';
import { withOrg } from '@millrace/db/tenant';
import { newId } from '@millrace/shared/ids';
import type { TestApi } from '../../testing.ts';
import { addMember, addPerson, type Person, queryAsAdmin } from '../organizations/testing.ts';

export interface ReceivedWebhook {
  path: string;
  headers: IncomingHttpHeaders;
  text: string;
  body: { type: string; timestamp: string; data: Record<string, unknown> };
}

export interface Receiver {
  url: string;
  /** Allows webhooks to this server and nothing else on the machine. */
  egress: string;
  /** Arrived so far, oldest first, whatever they were answered. */
  received: ReceivedWebhook[];
  /** How requests are answered from now on. */
  answerWith(answer: (response: ServerResponse) => void): void;
  stop(): Promise<void>;
}

/** A real HTTP server that accepts everything at first. */
export async function startReceiver(): Promise<Receiver> {
  const received: ReceivedWebhook[] = [];
  let answer: (response: ServerResponse) => void = (response) => void response.end();
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    received.push({ path: request.url ?? '', headers: request.headers, text, body: JSON.parse(text) });
    answer(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    egress: `127.0.0.1/32:${port}`,
    received,
    answerWith: (next) => {
      answer = next;
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Verifies as a receiver would, from the words of the specification and not from our code. */
export function isSigned(secret: string, { headers, text }: ReceivedWebhook): boolean {
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${text}`;
  const [, key] = secret.split('_');
  const expected = createHmac('sha256', Buffer.from(key ?? '', 'base64'))
    .update(signed)
    .digest('base64');
  const isRecent = Math.abs(Date.now() / 1000 - Number(headers['webhook-timestamp'])) < 300;
  return isRecent && headers['webhook-signature'] === `v1,${expected}`;
}

/** As a worker sees the database of this API. */
export function connectWorker(api: TestApi): Database {
  const url = new URL(api.adminUrl);
  [url.username, url.password] = ['app_worker', 'test-worker'];
  return connectDatabase({ url: url.href, poolSize: 10, applicationName: 'test-worker', onError: () => undefined });
}

export async function addWorkflow(api: TestApi, orgId: string, name = 'Nightly import'): Promise<string> {
  const id = newId();
  await queryAsAdmin(
    api,
    `INSERT INTO app.workflows (org_id, id, name, draft_definition, version, status) VALUES ($1, $2, $3, '{}', 1, 'published')`,
    [orgId, id, name],
  );
  await queryAsAdmin(
    api,
    `INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition) VALUES ($1, $2, 1, '{}')`,
    [orgId, id],
  );
  return id;
}

/** A run of the workflow that a worker claims and records as failed, through the functions that workers use. */
export async function failOneRun(
  api: TestApi,
  worker: Database,
  orgId: string,
  workflowId: string,
  error = { code: 'HTTP_STATUS', message: 'The server answered 500.' },
): Promise<string> {
  const runId = newId();
  const run = { id: runId, workflowId, version: 1, triggerType: 'trigger.manual', input: { card: 'CANARY-INPUT' } };
  const queued = { ...run, maxAttempts: 1, requestedByUserId: null };
  // Many are queued at the same time here, and none is to wait for its turn.
  const admission = { window: 10_000, mostQueuedRuns: 100_000 };
  await withOrg(api.deps.db, orgId, (tx) => insertQueuedRun(tx, queued, admission));
  const claim = await claimRun(worker, { orgId, runId, leaseMs: 30_000 });
  if (claim.status !== 'claimed') throw new Error(`the run is ${claim.status}`);
  const { leaseToken } = claim.run;
  const ended = { status: 'failed', nextAttemptAt: null, attemptCount: 1, steps: [], release: true } as const;
  const outcome = await recordRun(worker, {
    ...{ recordId: newId(), orgId, runId, workflowId, leaseToken, leaseMs: 30_000 },
    ...ended,
    error,
  });
  if (outcome !== 'recorded') throw new Error(`the end of the run was ${outcome}`);
  return runId;
}

/** A new member whose address is confirmed, so that notices may go there. */
export async function addVerifiedMember(api: TestApi, orgId: string, email: string): Promise<Person> {
  const member = await addMember(api, orgId, 'member', await addPerson(api, email));
  await queryAsAdmin(api, 'UPDATE app.users SET email_verified_at = now() WHERE id = $1', [member.id]);
  return member;
}

/** As if so much time had passed that every notice is due. */
export async function letNoticesBeDue(api: TestApi): Promise<void> {
  await queryAsAdmin(api, 'UPDATE app.failure_notices SET next_attempt_at = now()', []);
  api.deps.noticeSender.poke();
}
