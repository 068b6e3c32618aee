import type { z } from 'zod';

export type ActionErrorOptions = { retryable?: boolean; retryAfterMs?: number; isAnswer?: boolean };

/**
 * How an action fails. `message` is a sentence a person can act on and never holds a secret: it is stored and shown.
 * `retryable` says whether the same call may work later; `retryAfterMs` is the pause the other side asked for.
 * `isAnswer`: the other side itself said that it did not work. After any other failure of something that was sent, nobody
 * knows what became of it: see `runAction`.
 */
export class ActionError extends Error {
  override name = 'ActionError';
  readonly code: string;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly isAnswer: boolean;

  constructor(code: string, message: string, options: ActionErrorOptions = {}) {
    super(message);
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = options.retryAfterMs;
    this.isAnswer = options.isAnswer ?? false;
  }
}

/** For actions: the other side says "not now". The engine tries again, after `retryAfterMs` at the earliest when given. */
export class RetryableError extends ActionError {
  override name = 'RetryableError';

  constructor(message: string, retryAfterMs?: number) {
    super('RETRYABLE', message, {
      retryable: true,
      isAnswer: true,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  }
}

export type HttpMethod = 'GET' | 'HEAD' | 'OPTIONS' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export type HttpRequest = {
  method: HttpMethod;
  url: string;
  headers?: Readonly<Record<string, string>>;
  body?: string | Uint8Array | StreamedBody;
  /** For the whole exchange, redirects and body included. Default 30 s. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Asked when a connection stands, before anything is sent on it, for each redirect too: false sends nothing, and fails as ABORTED. */
  maySend?: () => boolean;
  /** The caller wants the status and headers: the body is left unread, however large, and answered as empty. */
  discardBody?: true;
  /**
   * Takes the body of the last answer, decompressed and as it comes, when that is a 2xx that may have one; `body` is then
   * empty. What it throws is the failure of the request.
   */
  receive?: (head: HttpHead, body: AsyncIterable<Uint8Array>) => Promise<void>;
};

/** A body that is not in memory. `open` starts at the beginning, each time a redirect sends it anew. */
export type StreamedBody = { sizeBytes: number; open(): AsyncIterable<Uint8Array> };

export type HttpHead = Pick<HttpResponse, 'status' | 'headers'>;

/** `headers` have lower-case names; `set-cookie` is a list, every other value one string. `body` is already decompressed. */
export type HttpResponse = {
  status: number;
  headers: Record<string, string | string[]>;
  body: Uint8Array;
  /** A redirect had turned the request into a GET. This answers that one, and does not say what became of the request. */
  isOfOtherRequest?: true;
};

/** The only way out for an action. Throws ActionError; any status is an answer, not an error. */
export type HttpClient = (request: HttpRequest) => Promise<HttpResponse>;

/** Stands in values for a file of the run. Only the id counts; the rest is there to be read by people and expressions. */
export type FileValue = { $file: string; name: string; contentType: string; sizeBytes: number };

/**
 * The files of the run, whatever their size: they pass by piece by piece. Both throw ActionErrors.
 * `write` stores a file for good only when the step succeeds: OUTPUT_TOO_LARGE beyond the limits of a file or a run, at once
 * when `declaredBytes` says so. `read` answers FILE_NOT_FOUND for a file that this run may not read.
 */
export type Files = {
  write(
    content: AsyncIterable<Uint8Array>,
    meta: { name: string; contentType: string; declaredBytes?: number | undefined },
  ): Promise<FileValue>;
  read(fileId: string): Promise<{ contentType: string } & StreamedBody>;
};

/** What an action gets. `http` already carries the call's deadline and cancellation. */
export type ActionContext<Input> = {
  input: Input;
  http: HttpClient;
  files: Files;
  signal: AbortSignal;
  /** The same for every attempt of one step, so the other side can recognise a repetition. */
  idempotencyKey: string;
};

export type Action<Input extends z.ZodType = z.ZodType, Output extends z.ZodType = z.ZodType> = {
  name: string;
  displayName: string;
  description: string;
  input: Input;
  output: Output;
  effect: 'read' | 'write' | 'destructive';
  /** `natural`: repeating changes nothing. `key`: the call carries the idempotency key. `none`: repeating does it twice. */
  idempotency: 'natural' | 'key' | 'none';
  /** The limit of one attempt when the workflow sets none. */
  timeoutMs: number;
  run(context: ActionContext<z.output<Input>>): Promise<z.input<Output>>;
  /** Any input with `HIDDEN` in place of what may be a credential; absent: no input of this action holds one. */
  hide?(input: unknown): unknown;
};

/** Stands for a credential wherever an input is stored or shown. */
export const HIDDEN = '[hidden]';

export type Connector = {
  id: string;
  version: string;
  displayName: string;
  description: string;
  actions: readonly Action[];
};

/** Ties the types of `run` to the schemas; the value is returned unchanged. */
export function defineAction<Input extends z.ZodType, Output extends z.ZodType>(
  action: Action<Input, Output>,
): Action<Input, Output> {
  return action;
}

/** @throws Error when two actions share a name: the second could never be called. */
export function defineConnector(connector: Connector): Connector {
  const names = connector.actions.map((action) => action.name);
  if (new Set(names).size !== names.length) throw new Error(`connector ${connector.id} has two actions of one name`);
  return connector;
}
