import type { Mail } from './mailer.ts';

/** One plain address: nothing that a header or a list of addresses would read as more than that. */
const ADDRESS = /^[^\s<>(),;:"\\@\p{Cc}]+@[^\s<>(),;:"\\@\p{Cc}]+$/u;

/**
 * The mail as the library wants it. Bodies are text of ours, never files or addresses to fetch. Throws a TypeError for a
 * recipient that is not one plain address.
 */
export function toMessage(from: string, { to, id, subject, text, html }: Mail) {
  if (!ADDRESS.test(to)) throw new TypeError('the recipient is not one plain e-mail address');
  return {
    from,
    to: { name: '', address: to },
    subject,
    text,
    html,
    ...(id !== undefined && { messageId: `<${id}@${domainOf(from)}>` }),
    // RFC 3834: no out-of-office answers to a machine.
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

function domainOf(from: string): string {
  return /@([A-Za-z0-9.-]+)/.exec(from)?.[1] ?? 'localhost';
}
