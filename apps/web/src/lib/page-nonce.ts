/** The nonce of this page's scripts and styles. Browsers hide the attribute from style sheets, not from scripts that run under it. */
export function pageNonce(): string {
  return document.querySelector<HTMLScriptElement>('script[nonce]')?.nonce ?? '';
}
