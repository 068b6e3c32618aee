import type { Problem } from '@millrace/workflow/problem';
import { CircleAlert, CircleCheck } from 'lucide-react';
import { Card } from '../../ui/surfaces.tsx';

const SHOWN = 30;

interface ProblemsProps {
  problems: readonly Problem[];
  isDirty: boolean;
}

/** What keeps the document from being published, by the same check that publishing makes. */
export function Problems({ problems, isDirty }: ProblemsProps) {
  return (
    <Card className="grid max-h-[68dvh] content-start gap-3 overflow-y-auto p-4">
      <h2 className="flex items-center gap-2 text-sm font-semibold">
        {problems.length === 0 ? (
          <CircleCheck aria-hidden className="size-4 text-success" />
        ) : (
          <CircleAlert aria-hidden className="size-4 text-danger" />
        )}
        <span aria-live="polite">{titleOf(problems.length)}</span>
      </h2>
      {problems.length === 0 ? (
        <p className="text-[0.8125rem] text-muted">
          {isDirty ? 'Save it, then it can be published.' : 'The saved document can be published.'}
        </p>
      ) : null}
      <ul aria-label="Problems" className="grid gap-3">
        {problems.slice(0, SHOWN).map(({ path, code, message }) => (
          <li key={`${path} ${code} ${message}`} className="grid gap-0.5 text-[0.8125rem]">
            {path ? <code className="truncate text-xs text-muted">{path}</code> : null}
            <span>{message}</span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function titleOf(count: number): string {
  if (count === 0) return 'No problems';
  return count === 1 ? '1 problem' : `${count} problems`;
}
