'use client';
import { Button } from '../../ui/button.tsx';
import { CopyText } from '../../ui/copy-text.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { Form } from '../../ui/form.tsx';
import { Notice } from '../../ui/surfaces.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { LIFETIMES, permissionChoices } from './permission-choices.ts';
import { useNewApiKey } from './use-api-keys.ts';

export function NewApiKey({ onClose }: { onClose: () => void }) {
  const { roleKey } = useOrganization();
  const newKey = useNewApiKey();
  const { form, problemOf, made } = newKey;
  if (made)
    return (
      <div className="grid gap-4">
        <Notice tone="warning">Copy the key now. It is shown this once and kept nowhere.</Notice>
        <CopyText label="API key" text={made} />
        <div className="flex justify-end">
          <Button onClick={onClose}>Done</Button>
        </div>
      </div>
    );
  return (
    <Form of={newKey} action="Make key" button="end">
      <TextField
        label="Name"
        hint="What will use it."
        autoComplete="off"
        problem={problemOf('name')}
        {...form.register('name')}
      />
      <SelectField label="Ends after" {...form.register('lifetime')}>
        {Object.entries(LIFETIMES).map(([value, name]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </SelectField>
      <fieldset className="grid gap-2">
        <legend className="mb-1.5 text-sm font-medium">May</legend>
        <div className="grid max-h-56 gap-x-4 gap-y-1.5 overflow-y-auto sm:grid-cols-2">
          {permissionChoices(roleKey).flatMap(({ permissions }) =>
            permissions.map((permission) => (
              <label key={permission} className="flex items-center gap-2 text-sm">
                <input
                  type="checkbox"
                  value={permission}
                  className="size-4 accent-(--accent)"
                  {...form.register('permissions')}
                />
                {permission}
              </label>
            )),
          )}
        </div>
        {problemOf('permissions') ? (
          <p role="alert" className="text-[0.8125rem] text-danger">
            Choose at least one.
          </p>
        ) : null}
      </fieldset>
    </Form>
  );
}
