import { type Action, HIDDEN } from './sdk.ts';

/**
 * The text with `[hidden]` for every credential of the input: servers repeat in their answers what they were sent, and
 * messages quote answers. A credential that the end of the text cuts off is hidden as far as it goes.
 */
export function hideInText(text: string, action: Action, input: unknown): string {
  if (action.hide === undefined) return text;
  const hidden = credentialsIn(input, action.hide(input))
    .flatMap((value) => [value, value.replace(SCHEME, '')])
    .flatMap((value) => [value, JSON.stringify(value).slice(1, -1)])
    .filter((value) => value.length >= SHORTEST)
    .sort((a, b) => b.length - a.length);
  const whole = hidden.reduce((rest, value) => rest.replaceAll(value, HIDDEN), text);
  return hidden.reduce(hideCutOff, whole);
}

/** `Bearer` and the like: no secret by itself. */
const SCHEME = /^\S+\s+/;
/** Shorter values are words: hiding each `on` or `1` would make messages unreadable and hide nothing. */
const SHORTEST = 6;

/** The values of `input` where `shown` says `[hidden]`. */
function credentialsIn(input: unknown, shown: unknown): string[] {
  if (shown === HIDDEN) return [String(input)];
  if (typeof shown !== 'object' || shown === null) return [];
  return Object.entries(shown).flatMap(([key, item]) => credentialsIn((input as Record<string, unknown>)[key], item));
}

function hideCutOff(text: string, value: string): string {
  const end = text.endsWith('…') ? text.length - 1 : text.length;
  for (let length = Math.min(value.length - 1, end); length >= SHORTEST; length -= 1) {
    if (text.slice(end - length, end) === value.slice(0, length)) return `${text.slice(0, end - length)}${HIDDEN}…`;
  }
  return text;
}
