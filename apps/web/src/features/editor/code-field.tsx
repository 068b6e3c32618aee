'use client';
import { cn } from '../../ui/cn.ts';
import { sayProblem } from '../../ui/field-message.ts';
import type { FieldControlProps } from './field-props.ts';
import { printPreview } from './preview.ts';
import { useCodeField } from './use-code-field.ts';
import { usePreview } from './use-preview.ts';

/** Text with expressions: completed by real values, with what it gives below it. */
export function CodeField(props: FieldControlProps) {
  const { field, value, problem, bindings, isReadOnly } = props;
  const { parent, noteId, failure } = useCodeField(props);
  const shown = failure ?? (problem === undefined ? undefined : sayProblem(field.label, problem));
  return (
    <div className="grid gap-1.5">
      <span className="text-sm font-medium">
        {field.label}
        {field.isRequired ? <span className="ml-1 text-xs font-normal text-muted">required</span> : null}
      </span>
      <div
        ref={parent}
        className={cn(
          'code-field min-h-9 min-w-0 overflow-hidden rounded-lg border bg-surface focus-within:outline-2 focus-within:outline-accent',
          shown ? 'border-danger' : 'border-line-strong',
          isReadOnly && 'bg-sunken',
        )}
      />
      <div id={noteId} className="grid gap-1 text-[0.8125rem]">
        {shown ? <p className="text-danger">{shown}</p> : null}
        {!shown && field.hint ? <p className="text-muted">{field.hint}</p> : null}
        {bindings && !failure ? <PreviewLine value={value} bindings={bindings} /> : null}
      </div>
    </div>
  );
}

/** The editor of such text by itself, where there is no room for more. */
export function CodeBox({ className, ...props }: FieldControlProps & { className?: string }) {
  const { parent } = useCodeField(props);
  return (
    <div
      ref={parent}
      className={cn(
        'code-field min-h-9 min-w-0 overflow-hidden rounded-lg border border-line-strong bg-surface focus-within:outline-2 focus-within:outline-accent',
        className,
      )}
    />
  );
}

function PreviewLine({ value, bindings }: { value: unknown; bindings: NonNullable<FieldControlProps['bindings']> }) {
  const preview = usePreview(value, bindings);
  if (preview.type === 'none') return null;
  return (
    <p className="rounded-md bg-sunken px-2 py-1 font-mono text-xs break-all" aria-live="polite">
      {preview.type === 'value' ? <span className="text-success">= {printPreview(preview.value)}</span> : null}
      {preview.type === 'error' ? <span className="text-danger">{preview.message}</span> : null}
      {preview.type === 'missing' ? (
        <span className="text-muted">No sample of {preview.steps.join(', ')} yet: test or pin it to see a value.</span>
      ) : null}
    </p>
  );
}
