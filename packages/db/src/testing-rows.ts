import { randomBytes } from 'node:crypto';
import { newId } from '@millrace/shared/ids';
import type pg from 'pg';

/** Rows for tests, written by a superuser: one organization with a row in every tenant table. */

export interface SeededTenant {
  orgId: string;
  userId: string;
  sessionId: string;
  membershipId: string;
  invitationId: string;
  invitationTokenHash: Buffer;
  apiKeyId: string;
  workflowId: string;
  /** A run that has ended. */
  endedRunId: string;
  /** A file of its step. */
  fileId: string;
}

export async function seedTenant(admin: pg.Pool): Promise<SeededTenant> {
  const tenant: SeededTenant = {
    orgId: newId(),
    userId: newId(),
    sessionId: newId(),
    membershipId: newId(),
    invitationId: newId(),
    invitationTokenHash: randomBytes(32),
    apiKeyId: newId(),
    workflowId: newId(),
    endedRunId: newId(),
    fileId: newId(),
  };
  await seedPeople(admin, tenant);
  await seedSettings(admin, tenant);
  await seedWorkflow(admin, tenant);
  return tenant;
}

/** A queued run of the tenant's workflow, stored `ageSec` ago. */
export async function seedQueuedRun(admin: pg.Pool, tenant: SeededTenant, ageSec = 0): Promise<string> {
  const runId = newId();
  await admin.query(
    `INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, input, created_at, next_sweep_at)
     VALUES ($1, $2, $3, 1, 'trigger.manual', '{"n": 1}', now() - $4 * interval '1 s', now() + (3 - $4) * interval '1 s')`,
    [tenant.orgId, runId, tenant.workflowId, ageSec],
  );
  return runId;
}

async function seedPeople(admin: pg.Pool, tenant: SeededTenant): Promise<void> {
  const { orgId, userId } = tenant;
  await admin.query('INSERT INTO app.users (id, email) VALUES ($1, $2)', [userId, `${userId}@example.com`]);
  await admin.query(
    `INSERT INTO app.auth_sessions (id, user_id, refresh_salt, refresh_hash, idle_expires_at, absolute_expires_at)
     VALUES ($1, $2, $3, $3, now() + interval '1 day', now() + interval '2 days')`,
    [tenant.sessionId, userId, randomBytes(32)],
  );
  await admin.query('INSERT INTO app.organizations (id, slug, name) VALUES ($1, $2, $3)', [orgId, orgId, 'Org']);
  await admin.query(`INSERT INTO app.memberships (org_id, id, user_id, role_key) VALUES ($1, $2, $3, 'owner')`, [
    orgId,
    tenant.membershipId,
    userId,
  ]);
  await admin.query(
    `INSERT INTO app.organization_invitations (org_id, id, email, role_key, token_hash, invited_by_user_id, expires_at)
     VALUES ($1, $2, 'guest@example.com', 'member', $3, $4, now() + interval '7 days')`,
    [orgId, tenant.invitationId, tenant.invitationTokenHash, userId],
  );
}

async function seedSettings(admin: pg.Pool, { orgId, userId, apiKeyId }: SeededTenant): Promise<void> {
  await admin.query(
    `INSERT INTO app.audit_log (org_id, seq, occurred_at, action, subject_type, data, hash)
     VALUES ($1, 1, now(), 'organization.create', 'organization', '{}', $2)`,
    [orgId, randomBytes(32)],
  );
  await admin.query(
    `INSERT INTO app.api_keys (org_id, id, name, key_hash, key_hint, permissions, created_by_user_id)
     VALUES ($1, $4, 'Key', $2, 'abcd', '{run:read}', $3)`,
    [orgId, randomBytes(32), userId, apiKeyId],
  );
  await admin.query(
    // Not due for long: a sender that runs beside the test leaves it alone.
    `INSERT INTO app.org_mails (org_id, id, template, recipient, next_attempt_at)
     VALUES ($1, gen_random_uuid(), 'invitation', 'guest@example.com', now() + interval '1 year')`,
    [orgId],
  );
  await admin.query('INSERT INTO app.org_run_limits (org_id) VALUES ($1)', [orgId]);
  await admin.query(`INSERT INTO app.organization_variables (org_id, name, value) VALUES ($1, 'region', '"eu"')`, [
    orgId,
  ]);
  await admin.query('INSERT INTO app.run_retention_settings (org_id, days) VALUES ($1, 90)', [orgId]);
  await admin.query(
    `INSERT INTO app.failure_notice_settings (org_id, channel, emails) VALUES ($1, 'email', '{ops@example.com}')`,
    [orgId],
  );
  await admin.query(
    `INSERT INTO app.idempotency_keys (org_id, key, scope, request_hash, expires_at)
     VALUES ($1, 'key', 'POST /', $2, now() + interval '1 day')`,
    [orgId, randomBytes(32)],
  );
}

async function seedWorkflow(admin: pg.Pool, tenant: SeededTenant): Promise<void> {
  const { orgId, workflowId, endedRunId } = tenant;
  await admin.query(
    `INSERT INTO app.workflows (org_id, id, name, draft_definition, version, status, published_at)
     VALUES ($1, $2, 'Flow', '{"version": "v2"}', 1, 'published', now())`,
    [orgId, workflowId],
  );
  await admin.query(
    `INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition) VALUES ($1, $2, 1, '{"version": "v2"}')`,
    [orgId, workflowId],
  );
  await admin.query(
    // Not due for long: what fires schedules beside the test leaves it alone.
    `INSERT INTO app.workflow_schedules
       (org_id, workflow_id, version, expression, time_zone, catch_up, max_attempts, next_fire_at)
     VALUES ($1, $2, 1, '0 0 1 1 *', 'UTC', 'last', 3, now() + interval '1 year')`,
    [orgId, workflowId],
  );
  await admin.query(
    `INSERT INTO app.workflow_pins (org_id, workflow_id, step_id, output) VALUES ($1, $2, 'fetch', '{"n": 1}')`,
    [orgId, workflowId],
  );
  await admin.query(
    `INSERT INTO app.workflow_runs
       (org_id, id, workflow_id, version, trigger_type, status, next_sweep_at, finished_at)
     VALUES ($1, $2, $3, 1, 'trigger.manual', 'succeeded', NULL, now())`,
    [orgId, endedRunId, workflowId],
  );
  await admin.query(
    `INSERT INTO app.failure_notices (org_id, workflow_id, failed_count, last_run_id) VALUES ($1, $2, 1, $3)`,
    [orgId, workflowId, endedRunId],
  );
  await seedHook(admin, tenant);
  await seedRunParts(admin, tenant);
}

async function seedRunParts(admin: pg.Pool, { orgId, endedRunId, fileId }: SeededTenant): Promise<void> {
  await admin.query(
    `INSERT INTO app.workflow_run_steps (org_id, run_id, step_key, type, status, finished_at)
     VALUES ($1, $2, 'one', 'transform', 'succeeded', now())`,
    [orgId, endedRunId],
  );
  await admin.query(
    `INSERT INTO app.workflow_run_blobs (org_id, run_id, step_key, field, size_bytes, data)
     VALUES ($1, $2, 'one', 'input', 100000, 'x')`,
    [orgId, endedRunId],
  );
  await admin.query(
    `INSERT INTO app.workflow_run_files (org_id, run_id, id, step_key, name, content_type, size_bytes)
     VALUES ($1, $2, $3, 'one', 'one.txt', 'text/plain', 1)`,
    [orgId, endedRunId, fileId],
  );
  await admin.query(
    `INSERT INTO app.workflow_run_file_chunks (org_id, run_id, file_id, number, data) VALUES ($1, $2, $3, 0, 'x')`,
    [orgId, endedRunId, fileId],
  );
  await admin.query(
    `INSERT INTO app.workflow_run_events (org_id, run_id, number, entries)
     VALUES ($1, $2, 1, '[{"type": "run.succeeded"}]')`,
    [orgId, endedRunId],
  );
  await admin.query(
    `INSERT INTO app.workflow_run_signals (org_id, run_id, number, type, step_key, payload)
     VALUES ($1, $2, 1, 'resume', 'one', '{"n": 1}')`,
    [orgId, endedRunId],
  );
  await admin.query(
    `INSERT INTO app.child_run_events (org_id, parent_run_id, parent_step_key, type, next_sweep_at)
     VALUES ($1, $2, 'one', 'ended', now() + interval '1 year')`,
    [orgId, endedRunId],
  );
  await admin.query(
    `INSERT INTO app.workflow_run_attempts (org_id, run_id, step_key, attempt, lease_token, outcome)
     VALUES ($1, $2, 'one', 1, 1, '{"ok": true}')`,
    [orgId, endedRunId],
  );
  await admin.query(
    `INSERT INTO app.workflow_run_calls (org_id, run_id, step_key, input) VALUES ($1, $2, 'one', '{"body": 1}')`,
    [orgId, endedRunId],
  );
}

async function seedHook(admin: pg.Pool, { orgId, workflowId }: SeededTenant): Promise<void> {
  await admin.query('INSERT INTO app.workflow_hooks (org_id, workflow_id, token_hash) VALUES ($1, $2, $3)', [
    orgId,
    workflowId,
    randomBytes(32),
  ]);
  await admin.query(
    // Not due for long, as the mail above.
    `INSERT INTO app.hook_deliveries (org_id, id, workflow_id, version, run_id, input, max_attempts, next_sweep_at)
     VALUES ($1, gen_random_uuid(), $2, 1, gen_random_uuid(), '{"n": 1}', 1, now() + interval '1 year')`,
    [orgId, workflowId],
  );
}
