import type { MailContent } from '../mailer.ts';

/** What every mail of ours is made of. All of it is plain text: marking up is done here, and only here. */
export interface Letter {
  subject: string;
  paragraphs: string[];
  /** Names and values, one a line. */
  facts?: [name: string, value: string][];
  action?: { label: string; url: string };
  /** Small print under a line: who gets this and why. */
  closing: string;
}

/** A subject longer than this is cut by every mail program anyway. */
const SUBJECT_LIMIT = 150;

/** One letter as text and as HTML that say the same. */
export function composeMail(letter: Letter): MailContent {
  return {
    subject: cut(oneLine(letter.subject), SUBJECT_LIMIT),
    text: writeText(letter),
    html: writeHtml(letter),
  };
}

/**
 * A name or message that somebody chose, as part of a sentence: on one line, since a newline could start a header or a
 * paragraph of the stranger's own, and without the characters that turn the direction of the text around.
 */
export function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, ' ').trim();
}

/** At most so many characters, counted as people count them, with an ellipsis when something is missing. */
export function cut(text: string, limit: number): string {
  const characters = [...text];
  return characters.length <= limit ? text : `${characters.slice(0, limit - 1).join('')}…`;
}

function writeText({ paragraphs, facts = [], action, closing }: Letter): string {
  const parts = [
    ...paragraphs,
    ...(facts.length > 0 ? [facts.map(([name, value]) => `${name}: ${value}`).join('\n')] : []),
    ...(action ? [`${action.label}:\n${action.url}`] : []),
    `-- \n${closing}`,
  ];
  return `${parts.join('\n\n')}\n`;
}

/** Styles stand at the elements, because many mail programs drop style sheets. */
function writeHtml({ subject, paragraphs, facts = [], action, closing }: Letter): string {
  const rows = facts.map(
    ([name, value]) =>
      `<tr><td style="padding:4px 16px 4px 0;color:#5b6472;vertical-align:top;white-space:nowrap">${escapeHtml(name)}</td>` +
      `<td style="padding:4px 0;word-break:break-word">${escapeHtml(value)}</td></tr>`,
  );
  const body = [
    ...paragraphs.map((paragraph) => `<p style="margin:0 0 16px">${escapeHtml(paragraph)}</p>`),
    ...(rows.length > 0
      ? [`<table role="presentation" style="margin:0 0 16px;font-size:15px">${rows.join('')}</table>`]
      : []),
    ...(action ? [writeAction(action)] : []),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escapeHtml(oneLine(subject))}</title>
</head>
<body style="margin:0;padding:24px 12px;background:#f2f4f7;color:#1b2430;font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif">
<div style="max-width:520px;margin:0 auto">
<p style="margin:0 0 12px;font-weight:700;letter-spacing:.02em;color:#0f5c5c">Millrace</p>
<div style="padding:28px 24px 12px;background:#ffffff;border:1px solid #dde2e9;border-radius:12px">
${body.join('\n')}
</div>
<p style="margin:16px 4px 0;font-size:13px;color:#5b6472">${escapeHtml(closing)}</p>
</div>
</body>
</html>
`;
}

/** A button, and the address in full for programs that show no buttons and people who do not trust them. */
function writeAction({ label, url }: { label: string; url: string }): string {
  const button =
    'display:inline-block;padding:12px 22px;background:#0f6b6b;color:#ffffff;border-radius:8px;font-weight:600;text-decoration:none';
  return (
    `<p style="margin:24px 0"><a href="${escapeHtml(url)}" style="${button}">${escapeHtml(label)}</a></p>\n` +
    `<p style="margin:0 0 16px;font-size:13px;color:#5b6472;word-break:break-all">${escapeHtml(url)}</p>`
  );
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
