'use client';
import { Plus, X } from 'lucide-react';
import type { ReactNode } from 'react';
import { Button } from '../../ui/button.tsx';
import { cn } from '../../ui/cn.ts';
import { sayProblem } from '../../ui/field-message.ts';
import type { FieldControlProps } from './field-props.ts';

interface ItemsFieldsetProps extends Pick<FieldControlProps, 'field' | 'problem' | 'isReadOnly'> {
  onAdd: () => void;
  children: ReactNode;
}

/** Several of the same, with a way to add one and what is wrong with them all. */
export function ItemsFieldset({ field, problem, isReadOnly, onAdd, children }: ItemsFieldsetProps) {
  return (
    <fieldset className="grid min-w-0 grid-cols-[minmax(0,1fr)] gap-2">
      <legend className="mb-1.5 text-sm font-medium">{field.label}</legend>
      {children}
      {isReadOnly ? null : (
        <Button
          look="ghost"
          size="sm"
          className="justify-self-start px-2"
          aria-label={`Add to ${field.label.toLowerCase()}`}
          onClick={onAdd}
        >
          <Plus aria-hidden /> Add
        </Button>
      )}
      {problem || field.hint ? (
        <p className={problem ? 'text-[0.8125rem] text-danger' : 'text-[0.8125rem] text-muted'}>
          {problem ? sayProblem(field.label, problem) : field.hint}
        </p>
      ) : null}
    </fieldset>
  );
}

interface RemoveItemProps {
  /** What is removed, as "cases 2". */
  name: string;
  isReadOnly: boolean;
  className: string;
  onRemove: () => void;
}

export function RemoveItem({ name, isReadOnly, className, onRemove }: RemoveItemProps) {
  if (isReadOnly) return null;
  return (
    <Button
      look="ghost"
      size="icon"
      className={cn('size-7', className)}
      aria-label={`Remove ${name}`}
      onClick={onRemove}
    >
      <X aria-hidden />
    </Button>
  );
}
