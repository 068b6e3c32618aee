'use client';
import { type ComponentProps, type ReactNode, useId } from 'react';
import { cn } from './cn.ts';
import { sayProblem } from './field-message.ts';

const CONTROL =
  'w-full rounded-lg border border-line-strong bg-surface text-ink placeholder:text-muted aria-invalid:border-danger focus-visible:outline-offset-0';

/** What is found out about a value while it is typed. */
export interface FieldStatus {
  tone: 'muted' | 'success' | 'danger';
  text: string;
}

const STATUS_TONES = { muted: 'text-muted', success: 'text-success', danger: 'text-danger' } as const;

interface FieldProps {
  label: string;
  /** What the schema or the server says about it, as "must be ...". */
  problem?: string | undefined;
  hint?: ReactNode;
}

function Field({ label, problem, hint, id, children }: FieldProps & { id: string; children: ReactNode }) {
  return (
    <div className="grid gap-1.5">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      {children}
      {problem ? (
        <p id={`${id}-note`} role="alert" className="text-[0.8125rem] text-danger">
          {sayProblem(label, problem)}
        </p>
      ) : null}
      {!problem && hint ? (
        <p id={`${id}-note`} className="text-[0.8125rem] text-muted">
          {hint}
        </p>
      ) : null}
    </div>
  );
}

function describe(id: string, { problem, hint }: FieldProps, hasStatus = false) {
  const notes = [hasStatus && `${id}-status`, (problem || hint) && `${id}-note`].filter(Boolean);
  return {
    id,
    'aria-invalid': problem ? true : undefined,
    'aria-describedby': notes.length > 0 ? notes.join(' ') : undefined,
  };
}

interface TextFieldProps extends FieldProps, ComponentProps<'input'> {
  /** Null: there will be something to say, and screen readers listen for it already. */
  status?: FieldStatus | null;
}

export function TextField({ label, problem, hint, status, className, ...input }: TextFieldProps) {
  const id = useId();
  return (
    <Field {...{ label, problem, hint, id }}>
      <input
        {...input}
        {...describe(id, { label, problem, hint }, Boolean(status) && !problem)}
        className={cn(CONTROL, 'h-10 px-3 text-sm', className)}
      />
      {status === undefined ? null : (
        <p
          id={`${id}-status`}
          role="status"
          className={cn('text-[0.8125rem] empty:-mt-1.5', STATUS_TONES[status?.tone ?? 'muted'])}
        >
          {problem ? null : status?.text}
        </p>
      )}
    </Field>
  );
}

export function TextArea({ label, problem, hint, className, ...input }: FieldProps & ComponentProps<'textarea'>) {
  const id = useId();
  return (
    <Field {...{ label, problem, hint, id }}>
      <textarea
        {...input}
        {...describe(id, { label, problem, hint })}
        className={cn(CONTROL, 'min-h-24 px-3 py-2 text-sm', className)}
      />
    </Field>
  );
}

export function SelectField({ label, problem, hint, className, ...select }: FieldProps & ComponentProps<'select'>) {
  const id = useId();
  return (
    <Field {...{ label, problem, hint, id }}>
      <Select {...select} {...describe(id, { label, problem, hint })} className={className} />
    </Field>
  );
}

/** Without a visible label: give it an `aria-label`. */
export function Select({ className, ...select }: ComponentProps<'select'>) {
  return <select {...select} className={cn(CONTROL, 'h-10 px-2.5 text-sm', className)} />;
}
