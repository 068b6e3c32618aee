'use client';
import { Failure } from '../../ui/failure.tsx';
import { TextField } from '../../ui/field.tsx';
import { Form } from '../../ui/form.tsx';
import { Card, Section, Skeleton } from '../../ui/surfaces.tsx';
import { sayRetention } from './retention-form.ts';
import { useOrganization } from './use-organization.ts';
import { type Retention as Kept, useRetention, useRetentionForm } from './use-retention.ts';

export function Retention() {
  const { can } = useOrganization();
  const { data, error, refetch } = useRetention();
  return (
    <Section
      title="How long runs are kept"
      about="Runs that ended are removed after this time, with their steps, timelines and values."
    >
      {!data && error ? <Failure error={error} onRetry={refetch} /> : null}
      {!data && !error ? <Skeleton className="h-32 rounded-xl" /> : null}
      {data ? (
        <Card className="grid gap-4 p-5">
          <p className="text-sm">{sayRetention(data)}</p>
          {can('org:update') ? <RetentionFields retention={data} /> : null}
        </Card>
      ) : null}
    </Section>
  );
}

function RetentionFields({ retention }: { retention: Kept }) {
  const saving = useRetentionForm(retention);
  const { form, problemOf } = saving;
  return (
    <Form of={saving} action="Save days" look="secondary" button="start">
      <TextField
        label="Days"
        hint="From 1 to 3650. Left empty, they are kept as long as the server keeps them."
        inputMode="numeric"
        autoComplete="off"
        className="max-w-40"
        problem={problemOf('days')}
        {...form.register('days')}
      />
    </Form>
  );
}
