'use client';
import { Button } from '../../ui/button.tsx';
import { TextField } from '../../ui/field.tsx';
import { Card, Notice, PageHeader } from '../../ui/surfaces.tsx';
import { PlainPage } from '../shell/plain-page.tsx';
import { useNewOrganization } from './use-new-organization.ts';

export function NewOrganization() {
  return (
    <PlainPage>
      <NewOrganizationForm />
    </PlainPage>
  );
}

function NewOrganizationForm() {
  const { form, submit, failure, problemOf, isSending, slug } = useNewOrganization();
  return (
    <>
      <PageHeader
        title="Make an organization"
        about="Workflows, runs and members belong to it, and nobody outside of it sees any of them."
      />
      <Card className="p-6">
        <form noValidate onSubmit={submit} className="grid gap-5">
          {failure ? <Notice>{failure}</Notice> : null}
          <TextField label="Name" autoComplete="organization" problem={problemOf('name')} {...form.register('name')} />
          <TextField
            label="Slug"
            hint={`Its part of addresses: /orgs/${slug || '…'}. It cannot be changed later.`}
            autoComplete="off"
            spellCheck={false}
            problem={problemOf('slug')}
            {...form.register('slug', { onChange: () => form.trigger('slug') })}
          />
          <div className="flex justify-end">
            <Button type="submit" isBusy={isSending}>
              Make organization
            </Button>
          </div>
        </form>
      </Card>
    </>
  );
}
