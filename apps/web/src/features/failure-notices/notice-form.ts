import { putFailureNotices } from '@millrace/shared/contracts/failure-notices';
import { z } from 'zod';
import { ApiError } from '../../lib/api-error.ts';

const Fields = z.object({
  channel: z.enum(['none', 'email', 'webhook']),
  emails: z.array(z.string()),
  url: z.string().trim(),
});
type Fields = z.infer<typeof Fields>;

/** All fields as they stand there; only those of the chosen channel are judged and sent. */
export const NoticeForm = Fields.transform((fields, context) => {
  const { data, error } = putFailureNotices.body.safeParse(bodyOf(fields));
  if (data) return data;
  for (const issue of error.issues)
    context.addIssue({ code: 'custom', path: issue.path.slice(0, 1), message: sayIssue(fields, issue.message) });
  return z.NEVER;
});

function bodyOf({ channel, emails, url }: Fields) {
  if (channel === 'email') return { channel, emails };
  return channel === 'webhook' ? { channel, url } : { channel };
}

function sayIssue({ channel, emails, url }: Fields, message: string): string {
  if (channel === 'email' && emails.length === 0) return 'Choose at least one member.';
  if (channel === 'email' && emails.length > 10) return 'Choose at most 10 members.';
  return channel === 'webhook' && url === '' ? 'is required' : message;
}

/** The API counts addresses; a person reads which ones. */
export function nameUnconfirmed(error: unknown, emails: readonly string[]): unknown {
  if (!(error instanceof ApiError)) return error;
  const named = error.details.flatMap(({ path }) => emails[Number(/(?:^|\.)emails\.(\d+)$/.exec(path)?.[1])] ?? []);
  if (named.length === 0) return error;
  const message = `Not confirmed by its member yet: ${named.join(', ')}.`;
  return new ApiError(error.status, {
    code: error.code,
    message,
    details: [{ path: 'emails', code: 'NOT_A_VERIFIED_MEMBER', message }],
  });
}
