'use client';
import { useQuery } from '@tanstack/react-query';
import { callApi } from '../../lib/call-api.ts';
import { GET_ME } from '../../lib/routes.ts';

export const ME = ['me'];

/** Who is signed in, and the organizations they belong to. */
export function useMe() {
  return useQuery({ queryKey: ME, queryFn: fetchMe });
}

export function fetchMe({ signal }: { signal: AbortSignal }) {
  return callApi(GET_ME, { signal });
}
