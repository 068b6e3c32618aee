'use client';
import { TextField } from '../../ui/field.tsx';
import { Form } from '../../ui/form.tsx';
import { Card, PageHeader } from '../../ui/surfaces.tsx';
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
  const making = useNewOrganization();
  const { form, problemOf, slug, availability } = making;
  return (
    <>
      <PageHeader
        title="Make an organization"
        about="Workflows, runs and members belong to it, and nobody outside of it sees any of them."
      />
      <Card className="p-6">
        <Form of={making} action="Make organization" button="end">
          <TextField label="Name" autoComplete="organization" problem={problemOf('name')} {...form.register('name')} />
          <TextField
            label="Slug"
            hint={`Its part of addresses: /orgs/${slug || '…'}. It cannot be changed later.`}
            status={availability}
            autoComplete="off"
            spellCheck={false}
            problem={problemOf('slug')}
            {...form.register('slug', { onChange: () => form.trigger('slug') })}
          />
        </Form>
      </Card>
    </>
  );
}
