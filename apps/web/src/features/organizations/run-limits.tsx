'use client';
import { Failure } from '../../ui/failure.tsx';
import { Card, Section, Skeleton } from '../../ui/surfaces.tsx';
import { useRunLimits } from './use-run-limits.ts';

export function RunLimits() {
  const { data, error, refetch } = useRunLimits();
  return (
    <Section
      title="Run limits"
      about="What this organization may use at once, and uses now. Who runs the server sets them."
    >
      {!data && error ? <Failure error={error} onRetry={refetch} /> : null}
      {!data && !error ? <Skeleton className="h-28 rounded-xl" /> : null}
      {data ? (
        <Card className="overflow-hidden">
          <dl className="-m-px grid sm:grid-cols-2">
            {data.map(({ label, value, note, used }) => (
              <div key={label} className="grid content-start gap-1 border-t border-l border-line p-5">
                <dt className="text-sm text-muted">{label}</dt>
                <dd className="grid gap-1">
                  <span className="text-2xl font-semibold tabular-nums">{value}</span>
                  <span className="text-[0.8125rem] text-muted">{note}</span>
                  {used === undefined ? null : (
                    <progress
                      value={used}
                      aria-label={`${label}, part of the limit`}
                      className="mt-1.5 h-1.5 w-full appearance-none overflow-hidden rounded-full [&::-moz-progress-bar]:bg-accent [&::-webkit-progress-bar]:bg-hover [&::-webkit-progress-value]:bg-accent"
                    />
                  )}
                </dd>
              </div>
            ))}
          </dl>
        </Card>
      ) : null}
    </Section>
  );
}
