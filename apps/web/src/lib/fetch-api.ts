import { ApiError } from './api-error.ts';

const OFFLINE = { code: 'OFFLINE', message: 'Millrace cannot be reached; check your connection and try again.' };

/** The only door to the network: the origin that served the page, whose cookies go along. Throws ApiError, also for no answer. */
export async function fetchApi(path: `/v1/${string}`, init: RequestInit): Promise<Response> {
  const response = await fetch(path, {
    ...init,
    credentials: 'same-origin',
    cache: 'no-store',
    redirect: 'error',
  }).catch((error) => {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, OFFLINE);
  });
  if (response.ok) return response;
  throw new ApiError(response.status, await readAnswer(response));
}

async function readAnswer(response: Response): Promise<{ code: string; message: string }> {
  const answer = (await response.json().catch(() => null)) as { code?: unknown; message?: unknown } | null;
  if (typeof answer?.code === 'string' && typeof answer.message === 'string')
    return answer as { code: string; message: string };
  return { code: 'INTERNAL', message: `The server answered ${response.status}; try again shortly.` };
}
