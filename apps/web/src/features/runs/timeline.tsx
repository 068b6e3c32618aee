'use client';
import { sayTime } from '../../lib/time.ts';
import { Rows } from '../../ui/rows.tsx';
import type { TimelineEntry } from './follow-run.ts';
import { sayEntry } from './timeline.ts';

export function Timeline({ entries }: { entries: readonly TimelineEntry[] }) {
  return (
    <section className="grid gap-3">
      <h2 className="text-base font-semibold">Timeline</h2>
      {entries.length === 0 ? <p className="text-sm text-muted">Nothing happened yet.</p> : null}
      <Rows
        isOrdered
        label="Timeline"
        items={entries}
        keyOf={({ id }) => id}
        rowHeight={50}
        className="border-l border-line pl-4"
        rowClassName="relative grid gap-0.5 pb-2.5"
      >
        {(entry) => (
          <>
            <span aria-hidden className="absolute top-1.5 -left-[1.3rem] size-2 rounded-full bg-line-strong" />
            <span className="text-[0.8125rem] break-words">{sayEntry(entry)}</span>
            <time dateTime={entry.at} className="text-xs text-muted tabular-nums">
              {sayTime(entry.at)}
            </time>
          </>
        )}
      </Rows>
    </section>
  );
}
