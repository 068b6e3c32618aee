'use client';
import { zodResolver } from '@hookform/resolvers/zod';
import { useState } from 'react';
import { type DefaultValues, type FieldValues, type Path, type UseFormReturn, useForm } from 'react-hook-form';
import type { z } from 'zod';
import { ApiError } from './api-error.ts';
import { sayError } from './say-error.ts';

interface FormSettings<Input extends FieldValues, Output extends FieldValues> {
  schema: z.ZodType<Output, Input>;
  defaults: DefaultValues<Input>;
  send: (values: Output) => Promise<void>;
  /** Errors without details that are about one field, as `{ CONFLICT: 'email' }`. */
  fieldOf?: Partial<Record<string, Path<Input>>>;
}

/**
 * A form that checks what the API's own schema checks, and puts what the API then says beside the field it is about;
 * `failure` is the rest, about the whole form.
 */
export function useApiForm<Input extends FieldValues, Output extends FieldValues>(
  settings: FormSettings<Input, Output>,
) {
  const [failure, setFailure] = useState<string>();
  const form = useForm<Input, unknown, Output>({
    resolver: zodResolver(settings.schema),
    defaultValues: settings.defaults,
    mode: 'onTouched',
  });
  const submit = form.handleSubmit(async (values) => {
    setFailure(undefined);
    try {
      await settings.send(values);
    } catch (error) {
      setFailure(placeProblems(form, error, settings.fieldOf ?? {}));
    }
  });
  const problemOf = (name: Path<Input>) => form.getFieldState(name, form.formState).error?.message;
  return { form, submit, failure, problemOf, isSending: form.formState.isSubmitting };
}

function placeProblems<Input extends FieldValues, Output extends FieldValues>(
  form: UseFormReturn<Input, unknown, Output>,
  error: unknown,
  fieldOf: Partial<Record<string, Path<Input>>>,
): string | undefined {
  if (!(error instanceof ApiError)) return sayError(error);
  const names = Object.keys(form.getValues());
  const problems = error.details
    .map(({ path, message }) => ({ name: path.replace(/^body\./, ''), message }))
    .filter(({ name }) => names.includes(name));
  const field = fieldOf[error.code];
  if (field && problems.length === 0) problems.push({ name: field, message: error.message });
  for (const { name, message } of problems) form.setError(name as Path<Input>, { message });
  if (problems.length === 0) return sayError(error);
  form.setFocus(problems[0]?.name as Path<Input>);
  return undefined;
}
