import { createHmac, randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { putHookSecret } from '@millrace/shared/contracts/hooks';
import { createWorkflow, publishWorkflow } from '@millrace/shared/contracts/workflows';
import type { WebhookSignature } from '@millrace/workflow/triggers/webhook';
import { call, type TestApi } from '../../testing.ts';
import { addOrganization, type Person, queryAsAdmin } from '../organizations/testing.ts';

export interface TestHook {
  orgId: string;
  owner: Person;
  workflowId: string;
  /** On the test's own server, where WEB_BASE_URL would be the web app's. */
  url: string;
  secret: string;
}

/** A published workflow with a webhook trigger, and its secret when the trigger asks for signatures. */
export async function publishHook(
  api: TestApi,
  config: { methods?: string[]; reply?: string; signature?: WebhookSignature } = {},
  secret = `whsec_${randomBytes(24).toString('base64')}`,
): Promise<TestHook> {
  const { orgId, owner } = await addOrganization(api);
  const input = { token: owner.token, params: { orgId } };
  const dsl = {
    version: 'v2',
    trigger: { type: 'trigger.webhook', config },
    nodes: [{ id: 'echo', type: 'transform', config: { value: '{% $trigger.input %}' } }],
  };
  const created = await call(api, createWorkflow, { ...input, body: { name: 'Hook', dsl } });
  const params = { orgId, workflowId: created.body.workflow.id };
  if (config.signature) await call(api, putHookSecret, { ...input, params, body: { secret } });
  const { body } = await call(api, publishWorkflow, { ...input, params });
  return { orgId, owner, workflowId: params.workflowId, url: onTestServer(api, body.workflow.hookUrl ?? ''), secret };
}

/** The same address on the server that the test listens with. */
export function onTestServer(api: TestApi, hookUrl: string): string {
  const { port } = api.app.server.address() as AddressInfo;
  return `http://127.0.0.1:${port}${new URL(hookUrl).pathname}`;
}

export async function deliver(url: string, init: RequestInit & { body?: string | Buffer } = {}) {
  const response = await fetch(url, { method: 'POST', ...init } as RequestInit);
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
}

interface StoredRun {
  id: string;
  trigger_type: string;
  status: string;
  version: number;
  input: Record<string, unknown>;
  requested_by_user_id: string | null;
}

export function runsOf(api: TestApi, { workflowId }: Pick<TestHook, 'workflowId'>): Promise<StoredRun[]> {
  return queryAsAdmin<StoredRun>(api, 'SELECT * FROM app.workflow_runs WHERE workflow_id = $1 ORDER BY id', [
    workflowId,
  ]);
}

/** The headers with which a real sender of the scheme would send this body, at this time and under this name. */
export function signAs(
  scheme: WebhookSignature['scheme'],
  secret: string,
  body: string,
  { at = Math.floor(Date.now() / 1000), id = `msg_${randomBytes(12).toString('hex')}` } = {},
): Record<string, string> {
  const mac = (text: string, key: string | Buffer = secret) => createHmac('sha256', key).update(text);
  switch (scheme) {
    case 'standard-webhooks': {
      const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
      const signature = `v1,${mac(`${id}.${at}.${body}`, key).digest('base64')}`;
      return { 'webhook-id': id, 'webhook-timestamp': String(at), 'webhook-signature': signature };
    }
    case 'stripe':
      return { 'stripe-signature': `t=${at},v1=${mac(`${at}.${body}`).digest('hex')},v0=${'0'.repeat(64)}` };
    case 'slack': {
      const signature = `v0=${mac(`v0:${at}:${body}`).digest('hex')}`;
      return { 'x-slack-request-timestamp': String(at), 'x-slack-signature': signature };
    }
    case 'github':
      return { 'x-github-delivery': id, 'x-hub-signature-256': `sha256=${mac(body).digest('hex')}` };
    case 'hmac':
      return { 'idempotency-key': id, 'x-signature': mac(body).digest('hex') };
    case 'basic':
      return { 'idempotency-key': id, authorization: `Basic ${Buffer.from(secret).toString('base64')}` };
  }
}
