'use client';
import { printValue } from './print-value.ts';

/** A value of a run: text and nothing but text, whatever it holds. */
export function JsonBlock({ title, value }: { title: string; value: unknown }) {
  const { text, isCut } = printValue(value);
  return (
    <figure className="grid min-w-0 content-start gap-1.5">
      <figcaption className="text-xs font-medium text-muted">{title}</figcaption>
      <pre className="max-h-72 overflow-auto rounded-lg border border-line bg-sunken p-3 text-[0.8125rem] leading-relaxed">
        {text}
      </pre>
      {isCut ? <p className="text-xs text-muted">Only the beginning is shown.</p> : null}
    </figure>
  );
}
