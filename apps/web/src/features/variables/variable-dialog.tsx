'use client';
import { Dialog } from '../../ui/dialog.tsx';
import { SelectField, TextArea, TextField } from '../../ui/field.tsx';
import { Form } from '../../ui/form.tsx';
import { useVariableForm, type Variable } from './use-variables.ts';

interface VariableDialogProps {
  /** The variable to edit; undefined for a new one. */
  variable: Variable | undefined;
  taken: readonly string[];
  isOpen: boolean;
  onClose: () => void;
}

export function VariableDialog({ variable, taken, isOpen, onClose }: VariableDialogProps) {
  return (
    <Dialog
      title={variable ? `Edit ${variable.name}` : 'New variable'}
      about="Every member can read it and every workflow can use it: no place for a secret."
      isOpen={isOpen}
      onOpenChange={(open) => (open ? undefined : onClose())}
    >
      <VariableFields {...{ variable, taken, onClose }} />
    </Dialog>
  );
}

function VariableFields({ variable, taken, onClose }: Omit<VariableDialogProps, 'isOpen'>) {
  const saving = useVariableForm(variable, taken, onClose);
  const { form, problemOf } = saving;
  const name = form.watch('name');
  return (
    <Form of={saving} action={variable ? 'Save' : 'Make variable'} button="end">
      {variable ? null : (
        <TextField
          label="Name"
          hint={`In expressions it is $vars.${name || 'name'}.`}
          autoComplete="off"
          spellCheck={false}
          problem={problemOf('name')}
          {...form.register('name')}
        />
      )}
      <SelectField label="Kind" {...form.register('kind')}>
        <option value="text">Text</option>
        <option value="json">JSON: a number, true or false, a list, an object</option>
      </SelectField>
      <TextArea
        label="Value"
        spellCheck={false}
        className="font-mono text-[0.8125rem]"
        problem={problemOf('text')}
        {...form.register('text')}
      />
    </Form>
  );
}
