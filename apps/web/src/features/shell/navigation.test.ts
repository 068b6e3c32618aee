import { expect, it } from 'vitest';
import { accessOf } from '../organizations/access.ts';
import { placesFor } from './navigation.ts';

const organization = { id: 'o', slug: 'acme', name: 'Acme', createdAt: '2026-01-01T00:00:00Z' };

it('a role is offered the places that it may read, and no other', () => {
  const labels = (role: 'member' | 'admin') =>
    placesFor(accessOf(organization, role, 'u'), '/').map(({ label }) => label);
  expect(labels('member')).toEqual(['Workflows', 'Runs', 'Variables', 'Members', 'Settings']);
  expect(labels('admin')).toEqual(['Workflows', 'Runs', 'Variables', 'Members', 'API keys', 'Audit log', 'Settings']);
});

it('one place is current, also on the pages below it', () => {
  const places = placesFor(accessOf(organization, 'owner', 'u'), '/orgs/acme/workflows/w/runs/r');
  expect(places.filter(({ isCurrent }) => isCurrent).map(({ label }) => label)).toEqual(['Workflows']);
});
