'use client';
import { Failure } from '../../ui/failure.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { Form } from '../../ui/form.tsx';
import { Card, Section, Skeleton } from '../../ui/surfaces.tsx';
import { useOrganization } from './use-organization.ts';
import { useTransfer } from './use-transfer.ts';

export function Transfer() {
  const { organization } = useOrganization();
  const transfer = useTransfer();
  const { form, problemOf, others, error, retry } = transfer;
  return (
    <Section title="Ownership" about="Makes another member the owner. You stay as an admin, and only they can undo it.">
      {!others && error ? <Failure error={error} onRetry={retry} /> : null}
      {!others && !error ? <Skeleton className="h-40 rounded-xl" /> : null}
      {others?.length === 0 ? (
        <Card className="p-5 text-sm text-muted">There is nobody else yet. Invite the future owner first.</Card>
      ) : null}
      {others && others.length > 0 ? (
        <Card className="p-5">
          <Form of={transfer} action="Transfer ownership" look="danger" button="start">
            <SelectField label="New owner" problem={problemOf('memberId')} {...form.register('memberId')}>
              <option value="">Choose a member</option>
              {others.map(({ userId, email, displayName }) => (
                <option key={userId} value={userId}>
                  {displayName ? `${displayName} (${email})` : email}
                </option>
              ))}
            </SelectField>
            <TextField
              label={`Type the name, ${organization.name}, to transfer`}
              autoComplete="off"
              spellCheck={false}
              problem={problemOf('confirm')?.replace(/^must be/, 'This must be')}
              {...form.register('confirm')}
            />
          </Form>
        </Card>
      ) : null}
    </Section>
  );
}
