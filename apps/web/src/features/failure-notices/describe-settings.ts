import type { getFailureNotices, testFailureNotice } from '@millrace/shared/contracts/failure-notices';
import type { ApiAnswer } from '../../lib/call-api.ts';

export type NoticeSettings = ApiAnswer<typeof getFailureNotices>['settings'];

export function saySettings({ channel, emails, webhookUrl }: NoticeSettings): string {
  if (channel === 'none') return 'Nobody is told when runs fail.';
  if (channel === 'webhook') return `Failures are posted to ${webhookUrl ?? 'a webhook whose address cannot be read'}.`;
  if (emails.length === 0) return 'Nobody is told: none of the chosen members has a confirmed address any more.';
  return `Failures are mailed to ${new Intl.ListFormat('en').format(emails)}.`;
}

export function sayTest({ sent, error }: ApiAnswer<typeof testFailureNotice>): { ok: boolean; text: string } {
  if (error) return { ok: false, text: `The test did not arrive: ${error}` };
  return sent ? { ok: true, text: 'The test notice arrived.' } : { ok: false, text: 'The test did not arrive.' };
}
