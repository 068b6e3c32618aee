'use client';
import { getMe } from '@millrace/shared/contracts/me';
import { useQuery } from '@tanstack/react-query';
import { callApi } from '../../lib/call-api.ts';

export const ME = ['me'];

/** Who is signed in, and the organizations they belong to. */
export function useMe() {
  return useQuery({ queryKey: ME, queryFn: fetchMe });
}

export function fetchMe({ signal }: { signal: AbortSignal }) {
  return callApi(getMe, { signal });
}
