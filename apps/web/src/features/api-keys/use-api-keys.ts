'use client';
import { createApiKey, listApiKeys, revokeApiKey } from '@millrace/shared/contracts/api-keys';
import { KeyPermission } from '@millrace/shared/permissions';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { z } from 'zod';
import { callApi } from '../../lib/call-api.ts';
import { useAction } from '../../lib/use-action.ts';
import { useApiForm } from '../../lib/use-api-form.ts';
import { usePages } from '../../lib/use-pages.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { expiryOf, LIFETIMES } from './permission-choices.ts';

const keysOf = (orgId: string) => ['orgs', orgId, 'api-keys'];

export function useApiKeys() {
  const { organization } = useOrganization();
  const orgId = organization.id;
  const pages = usePages({
    key: keysOf(orgId),
    read: (cursor, signal) => callApi(listApiKeys, { params: { orgId }, query: { cursor }, signal }),
    items: (page) => page.apiKeys,
  });
  const revoke = useAction({
    run: (apiKeyId: string) => callApi(revokeApiKey, { params: { orgId, apiKeyId } }),
    changes: [keysOf(orgId)],
    done: () => 'The key was revoked; its next request is refused.',
  });
  return { pages, revoke };
}

const NewKey = z.object({
  name: createApiKey.body.shape.name,
  permissions: z.array(KeyPermission).min(1, 'Choose at least one permission'),
  lifetime: z.enum(Object.keys(LIFETIMES) as (keyof typeof LIFETIMES)[]),
});

/** `made` is the new key in full: it is shown once, and held nowhere but in the dialog that shows it. */
export function useNewApiKey() {
  const { organization } = useOrganization();
  const queries = useQueryClient();
  const [made, setMade] = useState<string>();
  const form = useApiForm({
    schema: NewKey,
    defaults: { name: '', permissions: [], lifetime: '90' },
    send: async ({ name, permissions, lifetime }) => {
      const body = { name, permissions, expiresAt: expiryOf(lifetime, Date.now()) };
      const { apiKey } = await callApi(createApiKey, { params: { orgId: organization.id }, body });
      setMade(apiKey.key);
      await queries.invalidateQueries({ queryKey: keysOf(organization.id) });
    },
    fieldOf: { CONFLICT: 'name' },
  });
  return { ...form, made };
}
