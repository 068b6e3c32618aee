const LONGEST = 2000;

/**
 * The path of the web app to go on at: `wanted` when that is one, else `/`. It is judged as text and again as a browser
 * reads it, which takes `\` for `/`, drops tabs and newlines and walks `..`; what is answered is what the browser read.
 */
export function toReturnPath(wanted: string | undefined, webBaseUrl: string): string {
  if (wanted === undefined || wanted.length > LONGEST || !isLocalPath(wanted)) return '/';
  const { origin } = new URL(webBaseUrl);
  if (!URL.canParse(wanted, origin)) return '/';
  const url = new URL(wanted, origin);
  const path = `${url.pathname}${url.search}${url.hash}`;
  return url.origin === origin && path.length <= LONGEST && isLocalPath(path) ? path : '/';
}

/** An address in the web app. `path` starts with one slash. */
export function toWebUrl(webBaseUrl: string, path: string): string {
  const { origin, pathname } = new URL(webBaseUrl);
  return `${origin}${pathname.replace(/(?<!\/)\/+$/, '')}${path}`;
}

/** One leading slash, and nothing that a browser or a log reads as something else. */
function isLocalPath(text: string): boolean {
  if (!/^\/(?![/\\])/.test(text)) return false;
  return text.isWellFormed() && [...text].every((char) => char >= ' ' && char !== '\u007f');
}
