/**
 * Why a mail could not be sent, for a log: the codes of the failure. What the server said in words is left out, because
 * servers like to repeat the recipient's address, and so is anything else that looks like one.
 */
export function describeSendError(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const { code, responseCode, command, response } = error as Error & Record<string, unknown>;
  const words = response === undefined ? error.message.replace(ADDRESS, '<address>') : '';
  const codes = [code, responseCode, command && `at ${command}`].filter(Boolean).map(String);
  return [codes.join(' '), words].filter(Boolean).join(': ').slice(0, 300);
}

/**
 * Whether the receiving server refused this recipient or this message with a reply that asks for no other try (5yz, RFC 5321
 * section 4.2.1). Refusals of the sender or its sign-in are the operator's to mend, and worth another try.
 */
export function isRefusedForGood(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { responseCode, command } = error as Error & Record<string, unknown>;
  const isAboutMail = command === 'RCPT TO' || command === 'DATA';
  return isAboutMail && typeof responseCode === 'number' && responseCode >= 500;
}

/** Looked for from the start of a word alone: from each of its characters, a long word would take the square of its length. */
const ADDRESS = /(?<![^\s<>])[^\s<>]+@[^\s<>]+/g;
