import { QueryClient } from '@tanstack/react-query';
import { isPassing } from '../../lib/api-error.ts';

const RETRIES = 2;

export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        // Refusals stay refusals; only what may pass is tried again.
        retry: (failures, error) => failures < RETRIES && isPassing(error),
      },
    },
  });
}
