import { createOrganization } from '@millrace/shared/contracts/organizations';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { proposeSlug } from './slug.ts';

it.each([
  ['Analytical Engines', 'analytical-engines'],
  ['  Crème & Brûlée GmbH ', 'creme-brulee-gmbh'],
  ['AB', 'ab-org'],
  ['東京', ''],
])('the slug of %j is %j', (name, slug) => {
  expect(proposeSlug(name)).toBe(slug);
});

it('what is proposed is always one that the API takes', () => {
  const { slug: schema } = createOrganization.body.shape;
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 130 }), (name) => {
      const slug = proposeSlug(name);
      expect(slug === '' || schema.safeParse(slug).success).toBe(true);
    }),
  );
});
