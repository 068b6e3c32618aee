'use client';
import { type QueryKey, useMutation, useQueryClient } from '@tanstack/react-query';
import { toast } from '../ui/toast-store.ts';
import { sayError } from './say-error.ts';

interface ActionSettings<Input, Output> {
  run: (input: Input) => Promise<Output>;
  /** What is read anew once it is done. */
  changes?: QueryKey[];
  done?: (output: Output, input: Input) => string | undefined;
}

/** Something that a button does: `isBusy` at once, a toast at the end with what was done, or why it was not. */
export function useAction<Input = void, Output = unknown>({ run, changes = [], done }: ActionSettings<Input, Output>) {
  const queries = useQueryClient();
  const { mutate, isPending, variables } = useMutation({
    mutationFn: run,
    onSuccess: async (output, input) => {
      await Promise.all(changes.map((queryKey) => queries.invalidateQueries({ queryKey })));
      const words = done?.(output, input);
      if (words) toast(words);
    },
    onError: (error) => toast(sayError(error), 'danger'),
  });
  return { start: mutate, isBusy: isPending, busyWith: isPending ? variables : undefined };
}
