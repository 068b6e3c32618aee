import { refusalOf, refuse } from './refusals.ts';

const TIMEOUT_MS = 5_000;
const LARGEST_ANSWER_BYTES = 1024 * 1024;

interface ProviderRequest {
  method?: string;
  headers?: Record<string, string>;
  // As openid-client hands it over.
  body?: ArrayBuffer | null | ReadableStream | string | Uint8Array | undefined | URLSearchParams;
}

/**
 * The door to the providers, whose addresses the operator chose and no tenant: one deadline of 5 seconds for the answer
 * with its body, 1 MiB of it, and no redirect is followed, since codes and secrets are for the address that was
 * configured. Refuses when there is no such answer.
 */
export async function providerFetch(url: string, { method, headers, body }: ProviderRequest): Promise<Response> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const request = { method: method ?? 'GET', headers: headers ?? {}, redirect: 'manual', signal } as const;
  try {
    const response = await fetch(
      url,
      body == null ? request : { ...request, body: body as NonNullable<RequestInit['body']> },
    );
    const bytes = await readBounded(response);
    if (!bytes) throw refuse('provider_answer_invalid');
    // These statuses have no body (Fetch standard, "null body status").
    const isEmpty = [101, 204, 205, 304].includes(response.status);
    return new Response(isEmpty ? null : bytes, { status: response.status, headers: response.headers });
  } catch (error) {
    if (refusalOf(error)) throw error;
    // What went wrong may quote the request; the reason is enough.
    throw refuse(signal.aborted ? 'provider_timeout' : 'provider_unreachable');
  }
}

/** The body; undefined for one that is too large. */
async function readBounded(response: Response): Promise<Buffer<ArrayBuffer> | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > LARGEST_ANSWER_BYTES) return undefined; // leaving the loop cancels the rest
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
