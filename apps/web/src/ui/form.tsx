'use client';
import type { FormEventHandler, ReactNode } from 'react';
import { Button, type ButtonLook } from './button.tsx';
import { cn } from './cn.ts';
import { Notice } from './surfaces.tsx';

const PLACES = { wide: 'grid', start: 'flex justify-start', end: 'flex justify-end' } as const;

interface FormProps {
  /** As `useApiForm` answers it. */
  of: { submit: FormEventHandler<HTMLFormElement>; failure: string | undefined; isSending: boolean };
  /** What the button does, as "Send invitation". */
  action: string;
  look?: ButtonLook['look'];
  /** Where the button stands: across the form, or at one side of it. */
  button?: keyof typeof PLACES;
  /** Beside the button. */
  more?: ReactNode;
  children?: ReactNode;
}

/** What is wrong with the whole of it, the fields, and the button that sends them. */
export function Form({ of, action, look = 'primary', button = 'wide', more, children }: FormProps) {
  return (
    <form noValidate onSubmit={of.submit} className="grid gap-4">
      {of.failure ? <Notice>{of.failure}</Notice> : null}
      {children}
      <div className={cn(PLACES[button], 'flex-wrap gap-2')}>
        <Button type="submit" look={look} isBusy={of.isSending}>
          {action}
        </Button>
        {more}
      </div>
    </form>
  );
}
