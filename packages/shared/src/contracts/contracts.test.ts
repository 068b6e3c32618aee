import { describe, expect, it } from 'vitest';
import { isKeyPermission } from '../permissions.ts';
import * as apiKeys from './api-keys.ts';
import * as audit from './audit.ts';
import * as auth from './auth.ts';
import { type Contract, Time } from './contract.ts';
import * as hooks from './hooks.ts';
import * as identities from './identities.ts';
import * as invitations from './invitations.ts';
import * as me from './me.ts';
import * as organizations from './organizations.ts';
import * as runLimits from './run-limits.ts';
import * as runs from './runs.ts';
import * as steps from './steps.ts';
import * as variables from './variables.ts';
import * as workflows from './workflows.ts';

/** Not failure notices: their body is a union by channel, whose strictness the API's tests of mass assignment show. */
const contracts = [
  apiKeys,
  audit,
  auth,
  hooks,
  identities,
  invitations,
  me,
  organizations,
  runLimits,
  runs,
  steps,
  variables,
  workflows,
]
  .flatMap((module) => Object.values(module) as unknown[])
  .filter((value): value is Contract => typeof value === 'object' && value !== null && 'method' in value);

it('takes times from the first one on that PostgreSQL can hold', () => {
  expect(Time.safeParse('0001-01-01T00:00:00Z').success).toBe(true);
  expect(Time.safeParse('9999-12-31T23:59:59.999Z').success).toBe(true);
  for (const time of ['0000-12-31T23:59:59.999Z', '-000001-01-01T00:00:00Z', '2026-02-30T00:00:00Z', '2026-01-01'])
    expect(Time.safeParse(time).success).toBe(false);
});

it('gives each endpoint an id and an address of its own', () => {
  expect(contracts.length).toBeGreaterThan(25);
  expect(new Set(contracts.map((contract) => contract.id)).size).toBe(contracts.length);
  expect(new Set(contracts.map(({ method, path }) => `${method} ${path}`)).size).toBe(contracts.length);
});

describe.each(contracts.map((contract) => [contract.id, contract] as const))('%s', (_id, contract) => {
  it('demands a permission exactly when it belongs to an organization, and a person when no key can hold it', () => {
    const isInOrganization = /^\/v1\/orgs\/:orgId(\/|$)/.test(contract.path);
    expect(contract.permission !== undefined).toBe(isInOrganization);
    if (!contract.permission) return;
    expect(contract.auth).toBe(isKeyPermission(contract.permission) ? 'bearer' : 'session');
  });

  it('limits a user only where it asks for a person', () => {
    if (contract.userRateLimit) expect(contract.auth).toBe('session');
  });

  it('declares every parameter of its path and no other', () => {
    const named = [...contract.path.matchAll(/:(\w+)/g)].map((match) => match[1]);
    expect(Object.keys(contract.params?.shape ?? {}).toSorted()).toEqual(named.toSorted());
  });

  it('refuses keys it does not know in a body', () => {
    if (!contract.body) return;
    const parsed = contract.body.safeParse({ organizationId: 'x', role: 'owner' });
    expect(parsed.error?.issues.map((issue) => issue.code)).toContain('unrecognized_keys');
  });
});
