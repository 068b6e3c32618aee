'use client';
import { createOrganization } from '@millrace/shared/contracts/organizations';
import { useQueryClient } from '@tanstack/react-query';
import { useRouter } from 'next/navigation';
import { useEffect } from 'react';
import { callApi } from '../../lib/call-api.ts';
import { useApiForm } from '../../lib/use-api-form.ts';
import { ME } from '../shell/use-me.ts';
import { proposeSlug } from './slug.ts';
import { useSlugAvailability } from './use-slug-availability.ts';

export function useNewOrganization() {
  const router = useRouter();
  const queries = useQueryClient();
  const form = useApiForm({
    schema: createOrganization.body,
    defaults: { name: '', slug: '' },
    send: async (body) => {
      const { organization } = await callApi(createOrganization, { body });
      await queries.invalidateQueries({ queryKey: ME });
      router.push(`/orgs/${organization.slug}/workflows`);
    },
    fieldOf: { CONFLICT: 'slug' },
  });
  const { setValue, watch, getFieldState, formState } = form.form;
  const [name, slug] = watch(['name', 'slug']);
  const isSlugTyped = getFieldState('slug', formState).isDirty;
  useEffect(() => {
    // Until somebody types one of their own.
    if (!isSlugTyped) setValue('slug', proposeSlug(name), { shouldValidate: name !== '', shouldDirty: false });
  }, [name, isSlugTyped, setValue]);
  const availability = useSlugAvailability(slug);
  return { ...form, slug, availability: availability ?? null };
}
