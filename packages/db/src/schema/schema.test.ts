import { getTableConfig } from 'drizzle-orm/pg-core';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing.ts';
import { accountMails, accountTokens } from './account-mail.ts';
import { apiKeys } from './api-keys.ts';
import { auditHeads, auditLog } from './audit-log.ts';
import { authSessions } from './auth-sessions.ts';
import { failureNoticeSettings, failureNotices } from './failure-notices.ts';
import { hookDeliveries, workflowHooks } from './hooks.ts';
import { idempotencyKeys } from './idempotency-keys.ts';
import { oauthFlows, userIdentities } from './identities.ts';
import { organizationInvitations } from './invitations.ts';
import { memberships } from './memberships.ts';
import { orgMails } from './org-mails.ts';
import { deletedOrganizations, organizations } from './organizations.ts';
import { roles } from './roles.ts';
import { orgRunLimits } from './run-limits.ts';
import { runRetentionSettings } from './run-retention.ts';
import {
  childRunEvents,
  workflowRunAttempts,
  workflowRunBlobs,
  workflowRunCalls,
  workflowRunEvents,
  workflowRunFileChunks,
  workflowRunFiles,
  workflowRunSignals,
  workflowRunSteps,
  workflowRuns,
} from './runs.ts';
import { workflowSchedules } from './schedules.ts';
import { users } from './users.ts';
import { organizationVariables } from './variables.ts';
import { workflowPins, workflows, workflowVersions } from './workflows.ts';

const TABLES = [
  accountMails,
  accountTokens,
  apiKeys,
  auditHeads,
  deletedOrganizations,
  failureNoticeSettings,
  failureNotices,
  hookDeliveries,
  workflowHooks,
  oauthFlows,
  organizationVariables,
  orgMails,
  orgRunLimits,
  userIdentities,
  auditLog,
  authSessions,
  idempotencyKeys,
  memberships,
  organizationInvitations,
  organizations,
  roles,
  runRetentionSettings,
  users,
  workflowPins,
  workflowRunAttempts,
  workflowRunBlobs,
  childRunEvents,
  workflowRunCalls,
  workflowRunEvents,
  workflowRunFileChunks,
  workflowRunFiles,
  workflowRunSignals,
  workflowRunSteps,
  workflowRuns,
  workflowSchedules,
  workflowVersions,
  workflows,
].map((table) => getTableConfig(table));

let database: TestDatabase;
let admin: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.adminUrl });
  await admin.connect();
});

afterAll(async () => {
  await admin.end();
  await database.drop();
});

it('describes every table of the migrated database and no other', async () => {
  const { rows } = await admin.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind = 'r'`,
  );
  expect(TABLES.map((table) => table.name).toSorted()).toEqual(rows.map((row) => row.name).toSorted());
});

it.each(TABLES.map((table) => [table.name, table] as const))('agrees with the columns of %s', async (name, table) => {
  const { rows } = await admin.query(
    `SELECT attname AS name, format_type(coalesce(nullif(typbasetype, 0), atttypid), atttypmod) AS type,
       attnotnull AS "isNotNull"
     FROM pg_attribute JOIN pg_type t ON t.oid = atttypid WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname`,
    [`app.${name}`],
  );
  const described = table.columns.map((column) => ({
    name: column.name,
    type: column.getSQLType().replace('timestamp (3)', 'timestamp(3)'),
    isNotNull: column.notNull,
  }));
  expect(described.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual(
    rows.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  );
});
