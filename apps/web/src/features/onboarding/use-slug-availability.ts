'use client';
import { getSlugAvailability } from '@millrace/shared/contracts/organizations';
import { useQuery } from '@tanstack/react-query';
import { callApi } from '../../lib/call-api.ts';
import { useSettled } from '../../lib/use-settled.ts';
import { sayAvailability } from './slug-availability.ts';

/** Asks about a slug once nobody types any more. Sending the form is what decides: somebody else may be quicker. */
export function useSlugAvailability(slug: string) {
  const settled = useSettled(slug);
  const isValid = getSlugAvailability.query.shape.slug.safeParse(slug).success;
  const { data, isFetching } = useQuery({
    queryKey: ['slug-availability', settled],
    queryFn: ({ signal }) => callApi(getSlugAvailability, { query: { slug: settled }, signal }),
    enabled: isValid && settled === slug,
    staleTime: 0,
    // Who types too much is told nothing until they send the form; asking again would not help them.
    retry: false,
  });
  return sayAvailability(slug, { isValid, isTyping: settled !== slug || isFetching, available: data?.available });
}
