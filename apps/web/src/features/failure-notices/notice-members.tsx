'use client';
import type { UseFormRegisterReturn } from 'react-hook-form';
import { Failure } from '../../ui/failure.tsx';
import { Skeleton } from '../../ui/surfaces.tsx';
import type { useMembers } from '../members/use-members.ts';

interface NoticeMembersProps {
  members: ReturnType<typeof useMembers>;
  problem: string | undefined;
  field: UseFormRegisterReturn;
}

export function NoticeMembers({ members: { data, error, refetch }, problem, field }: NoticeMembersProps) {
  return (
    <fieldset className="grid gap-2">
      <legend className="mb-1.5 text-sm font-medium">Members</legend>
      {!data && error ? <Failure error={error} onRetry={refetch} /> : null}
      {!data && !error ? <Skeleton className="h-8" /> : null}
      <div className="grid max-h-56 gap-2 overflow-y-auto">
        {data?.map(({ userId, email, displayName }) => (
          <label key={userId} className="flex min-w-0 items-center gap-2 text-sm">
            <input type="checkbox" value={email} className="size-4 shrink-0 accent-(--accent)" {...field} />
            <span className="truncate">{displayName ? `${displayName} (${email})` : email}</span>
          </label>
        ))}
      </div>
      {problem ? (
        <p role="alert" className="text-[0.8125rem] text-danger">
          {problem}
        </p>
      ) : null}
    </fieldset>
  );
}
