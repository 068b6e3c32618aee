'use client';
import { Button } from '../../ui/button.tsx';
import { CopyText } from '../../ui/copy-text.tsx';
import { TextField } from '../../ui/field.tsx';
import { Card, Notice, PageHeader, Section } from '../../ui/surfaces.tsx';
import { useOrganization } from './use-organization.ts';
import { useDelete, useRename } from './use-settings.ts';

export function OrganizationSettings() {
  const { organization, can } = useOrganization();
  return (
    <div className="grid max-w-2xl gap-10">
      <PageHeader title="Settings" about={organization.name} />
      {can('org:update') ? <Rename /> : null}
      <Section title="Id" about="What the API calls this organization: in paths, and in the header X-Org-Id.">
        <CopyText label="organization id" text={organization.id} />
      </Section>
      {can('org:delete') ? <Delete /> : null}
    </div>
  );
}

function Rename() {
  const { form, submit, failure, problemOf, isSending } = useRename();
  return (
    <Section title="Name">
      <Card className="p-5">
        <form noValidate onSubmit={submit} className="grid gap-4">
          {failure ? <Notice>{failure}</Notice> : null}
          <TextField label="Name" autoComplete="off" problem={problemOf('name')} {...form.register('name')} />
          <div>
            <Button type="submit" look="secondary" isBusy={isSending}>
              Save
            </Button>
          </div>
        </form>
      </Card>
    </Section>
  );
}

function Delete() {
  const { organization } = useOrganization();
  const { form, submit, failure, problemOf, isSending } = useDelete();
  return (
    <Section title="Delete" about="Deletes the organization with its workflows, runs, members and keys, for good.">
      <Card className="p-5">
        <form noValidate onSubmit={submit} className="grid gap-4">
          {failure ? <Notice>{failure}</Notice> : null}
          <TextField
            label={`Type ${organization.slug} to confirm`}
            autoComplete="off"
            spellCheck={false}
            problem={problemOf('confirm')}
            {...form.register('confirm')}
          />
          <div>
            <Button type="submit" look="danger" isBusy={isSending}>
              Delete organization
            </Button>
          </div>
        </form>
      </Card>
    </Section>
  );
}
