import type { ErrorDetail } from '@millrace/shared/errors';

/** What the API answered instead of what was asked for; status 0 when nothing was answered at all. */
export class ApiError extends Error {
  readonly code: string;
  readonly status: number;
  readonly details: readonly ErrorDetail[];
  readonly requestId: string | null;

  constructor(
    status: number,
    answer: { code: string; message: string; requestId?: string | null; details?: readonly ErrorDetail[] },
  ) {
    super(answer.message);
    this.name = 'ApiError';
    this.status = status;
    this.code = answer.code;
    this.details = answer.details ?? [];
    this.requestId = answer.requestId ?? null;
  }
}

/** Trying the same thing again may help. */
export function isPassing(error: unknown): boolean {
  return !(error instanceof ApiError) || error.status === 0 || error.status >= 500;
}
