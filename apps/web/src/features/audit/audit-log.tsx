'use client';
import { ScrollText } from 'lucide-react';
import { Failure } from '../../ui/failure.tsx';
import { Select } from '../../ui/field.tsx';
import { LongList, More, RowText } from '../../ui/list.tsx';
import { EmptyState, PageHeader, SkeletonRows } from '../../ui/surfaces.tsx';
import { Time } from '../../ui/time.tsx';
import { describeEntry } from './describe-entry.ts';
import { useAuditLog } from './use-audit-log.ts';

export function AuditLog() {
  const { pages, actorUserId, setActor, members } = useAuditLog();
  const { items, error, retry, hasMore, isReadingMore, readMore } = pages;
  return (
    <>
      <PageHeader
        title="Audit log"
        about="Who changed what, when and from where. Nobody can change or delete an entry."
      >
        <Select
          aria-label="By whom"
          className="h-9 w-auto"
          value={actorUserId}
          onChange={({ target }) => setActor(target.value)}
        >
          <option value="">By everybody</option>
          {members.map(({ userId, email }) => (
            <option key={userId} value={userId}>
              {email}
            </option>
          ))}
        </Select>
      </PageHeader>
      {error ? <Failure error={error} onRetry={retry} /> : null}
      {!items && !error ? <SkeletonRows /> : null}
      {items?.length === 0 ? (
        <EmptyState icon={ScrollText} title="Nothing here">
          <p>This person changed nothing in this organization yet.</p>
        </EmptyState>
      ) : null}
      {items && items.length > 0 ? (
        <LongList label="Entries" items={items} keyOf={({ seq }) => String(seq)} rowHeight={66}>
          {(entry) => {
            const { title, actor, subject } = describeEntry(entry);
            return (
              <>
                <span className="w-10 text-right text-xs text-muted tabular-nums">{entry.seq}</span>
                <RowText title={title}>
                  {actor}
                  {entry.ipAddress ? ` · ${entry.ipAddress}` : null}
                </RowText>
                {subject ? <code className="text-xs text-muted">{subject}</code> : null}
                <Time at={entry.occurredAt} className="text-[0.8125rem] text-muted" />
              </>
            );
          }}
        </LongList>
      ) : null}
      <More hasMore={hasMore} isBusy={isReadingMore} onMore={readMore} />
    </>
  );
}
