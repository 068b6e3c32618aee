import { z } from 'zod';
import { assertSuccess } from '../http-status.ts';
import { isHarmlessHeader } from '../request-headers.ts';
import {
  ActionError,
  defineAction,
  type Files,
  type FileValue,
  HIDDEN,
  type HttpRequest,
  type HttpResponse,
} from '../sdk.ts';
import { describeFile, fileIdOf } from './file.ts';

const Scalar = z.union([z.string(), z.number(), z.boolean()]);

const Input = z.strictObject({
  method: z.enum(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE']),
  url: z.string().min(1).max(16_384).describe('An http or https address.'),
  headers: z.record(z.string(), Scalar).optional(),
  query: z
    .record(z.string(), z.union([Scalar, z.array(Scalar)]))
    .optional()
    .describe('Added to the query of the address; a list repeats the name.'),
  body: z
    .unknown()
    .refine((value) => value !== null, 'must not be null; leave body out to send none')
    .optional()
    .describe('Text is sent as it is, a file value as the content of the file, everything else as JSON.'),
  responseType: z
    .enum(['auto', 'json', 'text', 'file'])
    .default('auto')
    .describe('auto reads JSON when the answer says it is JSON, text otherwise; file keeps it as a file of the run.'),
});
type Input = z.output<typeof Input>;

const Output = z.strictObject({
  status: z.number().int(),
  headers: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
  body: z.unknown().describe('null when the answer has no body.'),
});

/** Calls an HTTP server. Any answer but 2xx fails with HTTP_STATUS. */
export const httpRequest = defineAction({
  name: 'request',
  displayName: 'HTTP request',
  description: 'Calls any HTTP server and gives its answer to the next steps.',
  input: Input,
  output: Output,
  effect: 'write',
  idempotency: 'key',
  timeoutMs: 30_000,
  async run({ input, http, files, idempotencyKey }) {
    let file: FileValue | null = null;
    const request = await toRequest(input, files, idempotencyKey);
    const response = await http({
      ...request,
      ...(input.responseType === 'file' && {
        receive: async ({ headers }, content) => {
          file = await files.write(content, describeFile(headers, request.url));
        },
      }),
    });
    assertSuccess(response, Date.now());
    const { status, headers } = response;
    return { status, headers, body: input.responseType === 'file' ? file : readAnswer(response, input.responseType) };
  },
  hide: hideHeaders,
});

/** Address, query and body stay readable: what a step sent is what people look for first. */
function hideHeaders(input: unknown): unknown {
  const { headers } = (input ?? {}) as { headers?: unknown };
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) return input;
  const shown = Object.entries(headers).map(([name, value]) => [name, isHarmlessHeader(name) ? value : HIDDEN]);
  return { ...(input as object), headers: Object.fromEntries(shown) };
}

async function toRequest(input: Input, files: Files, idempotencyKey: string): Promise<HttpRequest> {
  const headers = Object.fromEntries(
    Object.entries(input.headers ?? {}).map(([name, value]): [string, string] => [name, String(value)]),
  );
  const given = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  if (!given.has('idempotency-key')) headers['idempotency-key'] = idempotencyKey;
  const request = { method: input.method, url: withQuery(input.url, input.query), headers };
  if (input.body === undefined) return request;
  const fileId = fileIdOf(input.body);
  if (fileId !== undefined) {
    const file = await files.read(fileId);
    if (!given.has('content-type')) headers['content-type'] = file.contentType;
    return { ...request, body: file };
  }
  const isText = typeof input.body === 'string';
  if (!given.has('content-type')) headers['content-type'] = isText ? 'text/plain; charset=utf-8' : 'application/json';
  return { ...request, body: typeof input.body === 'string' ? input.body : JSON.stringify(input.body) };
}

/** An address that cannot be parsed stays as it is: the client names the problem. */
function withQuery(address: string, query: Input['query']): string {
  const url = URL.parse(address);
  if (url === null || query === undefined) return address;
  for (const [name, value] of Object.entries(query)) {
    for (const item of Array.isArray(value) ? value : [value]) url.searchParams.append(name, String(item));
  }
  return url.href;
}

function readAnswer(response: HttpResponse, responseType: Input['responseType']): unknown {
  if (response.body.length === 0) return null;
  const contentType = String(response.headers['content-type'] ?? '');
  const isJson = responseType === 'json' || (responseType === 'auto' && JSON_TYPE.test(contentType));
  if (!isJson) return decodeText(response.body, contentType);
  try {
    // JSON is UTF-8 (RFC 8259, 8.1); the decoder drops a byte order mark.
    return JSON.parse(new TextDecoder().decode(response.body));
  } catch {
    throw new ActionError(
      'RESPONSE_INVALID',
      'The answer is not valid JSON; set responseType to "text" to read it anyway.',
    );
  }
}

const JSON_TYPE = /^\s*(application|text)\/([\w.+-]+\+)?json\s*(;|$)/i;

function decodeText(bytes: Uint8Array, contentType: string): string {
  const label = /;\s*charset="?([\w.:-]+)/i.exec(contentType)?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(label).decode(bytes);
  } catch {
    // A label no decoder knows.
    return new TextDecoder().decode(bytes);
  }
}
