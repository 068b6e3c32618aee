'use client';
import { CopyText } from '../../ui/copy-text.tsx';
import { TextField } from '../../ui/field.tsx';
import { Form } from '../../ui/form.tsx';
import { Card, PageHeader, Section } from '../../ui/surfaces.tsx';
import { FailureNotices } from '../failure-notices/failure-notices.tsx';
import { Retention } from './retention.tsx';
import { RunLimits } from './run-limits.tsx';
import { Transfer } from './transfer.tsx';
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
      {can('run:read') ? <RunLimits /> : null}
      <Retention />
      {can('notice:read') ? <FailureNotices /> : null}
      {can('org:transfer') ? <Transfer /> : null}
      {can('org:delete') ? <Delete /> : null}
    </div>
  );
}

function Rename() {
  const rename = useRename();
  const { form, problemOf } = rename;
  return (
    <Section title="Name">
      <Card className="p-5">
        <Form of={rename} action="Rename" look="secondary" button="start">
          <TextField label="Name" autoComplete="off" problem={problemOf('name')} {...form.register('name')} />
        </Form>
      </Card>
    </Section>
  );
}

function Delete() {
  const { organization } = useOrganization();
  const deletion = useDelete();
  const { form, problemOf } = deletion;
  return (
    <Section title="Delete" about="Deletes the organization with its workflows, runs, members and keys, for good.">
      <Card className="p-5">
        <Form of={deletion} action="Delete organization" look="danger" button="start">
          <TextField
            label={`Type ${organization.slug} to confirm`}
            autoComplete="off"
            spellCheck={false}
            problem={problemOf('confirm')}
            {...form.register('confirm')}
          />
        </Form>
      </Card>
    </Section>
  );
}
