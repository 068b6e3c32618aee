'use client';
import { CircleAlert, CircleCheck } from 'lucide-react';
import { useEditorTools } from './editor-context.tsx';
import { locateProblem } from './locate-problem.ts';
import { wordProblem } from './problem-words.ts';

const SHOWN = 100;

/** What keeps the document from being published; pressed, a problem shows where it is. */
export function ProblemsPanel() {
  const { problems, document, store } = useEditorTools();
  if (problems.length === 0)
    return (
      <p className="flex items-center gap-2 p-4 text-sm text-muted">
        <CircleCheck aria-hidden className="size-4 text-success" /> No problems: this can be published.
      </p>
    );
  return (
    <ul aria-label="Problems" className="divide-y divide-line">
      {problems.slice(0, SHOWN).map((problem) => {
        const spot = locateProblem(document, problem);
        const { place, node, edge, field } = spot;
        const { says, where } = wordProblem(document, problem, spot);
        const show = () =>
          store.session({ type: 'show', place, nodes: node ? [node] : [], edges: edge ? [edge] : [], field });
        return (
          <li key={`${problem.path} ${problem.code} ${problem.message}`}>
            <button type="button" onClick={show} className="flex w-full gap-2.5 px-4 py-3 text-left hover:bg-hover">
              <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-danger" />
              <span className="grid min-w-0 gap-0.5 text-[0.8125rem]">
                <span>{says}</span>
                <span className="truncate text-xs text-muted">{where}</span>
              </span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}
