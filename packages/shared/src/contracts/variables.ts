import { z } from 'zod';
import { Id } from '../ids.ts';
import { Done, defineContract, OrgParams, Time } from './contract.ts';

/** As `$vars.<name>` in expressions, so a name is one that needs no backticks. */
const VariableName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_]{0,63}$/, 'must be a letter and at most 63 more letters, digits and _');

const Variable = z
  .object({ name: z.string(), value: z.unknown(), updatedAt: Time, updatedByUserId: Id.nullable() })
  .meta({ id: 'Variable' });

const VariableParams = OrgParams.extend({ name: VariableName });
const Variables = '/v1/orgs/:orgId/variables';
const base = { tag: 'Organizations', auth: 'bearer' } as const;

export const listVariables = defineContract({
  ...base,
  id: 'listVariables',
  method: 'GET',
  path: Variables,
  summary: 'The variables that expressions read as $vars, by name',
  permission: 'variable:read',
  params: OrgParams,
  status: 200,
  response: z.object({ variables: z.array(Variable) }),
});

export const putVariable = defineContract({
  ...base,
  id: 'putVariable',
  method: 'PUT',
  path: `${Variables}/:name`,
  summary: 'Set a variable; every member can read it, so it is no place for a secret',
  permission: 'variable:write',
  params: VariableParams,
  body: z.strictObject({ value: z.unknown().refine((value) => value !== undefined, 'is required') }),
  status: 200,
  response: z.object({ variable: Variable }),
  errors: ['CONFLICT'],
});

export const deleteVariable = defineContract({
  ...base,
  id: 'deleteVariable',
  method: 'DELETE',
  path: `${Variables}/:name`,
  summary: 'Delete a variable; expressions that read it find no value from then on',
  permission: 'variable:write',
  params: VariableParams,
  status: 200,
  response: Done,
});
