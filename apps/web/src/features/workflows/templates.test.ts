import { validateDefinition } from '@millrace/workflow/validate';
import { expect, it } from 'vitest';
import { SCRATCH, TEMPLATES } from './templates.ts';

it.each([...TEMPLATES, { id: 'scratch', dsl: SCRATCH }])(
  'the template $id can be published as it stands',
  ({ dsl }) => {
    expect(validateDefinition(dsl)).toMatchObject({ ok: true });
  },
);
