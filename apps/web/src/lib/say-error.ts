import { ApiError } from './api-error.ts';

/** A sentence for whoever looks at the screen. Faults of our own code say no more than that there was one. */
export function sayError(error: unknown): string {
  if (!(error instanceof ApiError)) return 'Something went wrong in this page; reload it and try again.';
  const [detail] = error.details;
  if (error.code === 'BAD_REQUEST' && detail) return sayDetail(detail.path.replace(/^\w+\./, ''), detail.message);
  return error.message;
}

/** Some details go on from the name of what they are about ("must be a number"), others are sentences. */
function sayDetail(path: string, message: string): string {
  const isSentence = /^[A-Z]/.test(message);
  return `${path}${isSentence ? ': ' : ' '}${message}${message.endsWith('.') ? '' : '.'}`;
}
