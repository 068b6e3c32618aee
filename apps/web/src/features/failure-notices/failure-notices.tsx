'use client';
import { Button } from '../../ui/button.tsx';
import { Failure } from '../../ui/failure.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { Form } from '../../ui/form.tsx';
import { Card, Section, Skeleton } from '../../ui/surfaces.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { type NoticeSettings, saySettings } from './describe-settings.ts';
import { NoticeMembers } from './notice-members.tsx';
import { NoticeSecret } from './notice-secret.tsx';
import { useFailureNotices, useFailureNoticesForm } from './use-failure-notices.ts';

export function FailureNotices() {
  const { can } = useOrganization();
  const { data, error, refetch } = useFailureNotices();
  return (
    <Section title="Failure notices" about="Who is told when runs fail. Many failures at once are told together.">
      {!data && error ? <Failure error={error} onRetry={refetch} /> : null}
      {!data && !error ? <Skeleton className="h-40 rounded-xl" /> : null}
      {data ? (
        <Card className="grid gap-4 p-5">
          <p className="text-sm wrap-anywhere">{saySettings(data)}</p>
          {can('notice:write') ? <NoticeFields settings={data} /> : null}
        </Card>
      ) : null}
    </Section>
  );
}

function NoticeFields({ settings }: { settings: NoticeSettings }) {
  const saving = useFailureNoticesForm(settings);
  const { form, problemOf, channel, members, test, rotate, secret, forgetSecret } = saving;
  const more =
    settings.channel === 'none' ? null : (
      <Button look="ghost" isBusy={test.isBusy} onClick={() => test.start()}>
        Send a test
      </Button>
    );
  const rotateButton =
    settings.channel === 'webhook' ? (
      <Button look="ghost" isBusy={rotate.isBusy} onClick={() => rotate.start()}>
        New signing secret
      </Button>
    ) : null;
  return (
    <>
      <Form
        of={saving}
        action="Save notices"
        look="secondary"
        button="start"
        more={
          <>
            {more}
            {rotateButton}
          </>
        }
      >
        <SelectField label="Tell" {...form.register('channel')}>
          <option value="none">Nobody</option>
          <option value="email">Members, by mail</option>
          <option value="webhook">A program, by webhook</option>
        </SelectField>
        {channel === 'email' ? (
          <NoticeMembers members={members} problem={problemOf('emails')} field={form.register('emails')} />
        ) : null}
        {channel === 'webhook' ? (
          <TextField
            label="URL"
            hint={
              settings.webhookUrl
                ? `Now ${settings.webhookUrl}. Type the whole URL to replace it.`
                : 'Each notice is signed with a secret that you see once, after saving.'
            }
            type="url"
            autoComplete="off"
            problem={problemOf('url')}
            {...form.register('url')}
          />
        ) : null}
      </Form>
      <NoticeSecret secret={secret} onClose={forgetSecret} />
    </>
  );
}
