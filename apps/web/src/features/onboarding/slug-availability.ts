import type { FieldStatus } from '../../ui/field.tsx';

/** What is said beside a slug before it is sent; undefined while there is nothing to say about it. */
export function sayAvailability(
  slug: string,
  { isValid, isTyping, available }: { isValid: boolean; isTyping: boolean; available: boolean | undefined },
): FieldStatus | undefined {
  if (!isValid) return undefined;
  if (isTyping) return { tone: 'muted', text: 'Looking whether it is free…' };
  if (available === undefined) return undefined;
  return available
    ? { tone: 'success', text: `${slug} is free.` }
    : { tone: 'danger', text: `${slug} is taken; choose another one.` };
}
