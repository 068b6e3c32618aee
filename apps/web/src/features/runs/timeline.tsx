'use client';
import { sayTime } from '../../lib/time.ts';
import type { TimelineEntry } from './follow-run.ts';
import { sayEntry } from './timeline.ts';

export function Timeline({ entries }: { entries: readonly TimelineEntry[] }) {
  return (
    <section className="grid gap-3">
      <h2 className="text-base font-semibold">Timeline</h2>
      {entries.length === 0 ? <p className="text-sm text-muted">Nothing happened yet.</p> : null}
      <ol aria-label="Timeline" className="grid gap-2.5 border-l border-line pl-4">
        {entries.map((entry) => (
          <li key={entry.id} className="relative grid gap-0.5">
            <span aria-hidden className="absolute top-1.5 -left-[1.3rem] size-2 rounded-full bg-line-strong" />
            <span className="text-[0.8125rem]">{sayEntry(entry)}</span>
            <time dateTime={entry.at} className="text-xs text-muted tabular-nums">
              {sayTime(entry.at)}
            </time>
          </li>
        ))}
      </ol>
    </section>
  );
}
