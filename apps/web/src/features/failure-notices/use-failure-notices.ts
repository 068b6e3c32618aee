'use client';
import {
  getFailureNotices,
  putFailureNotices,
  rotateFailureNoticeSecret,
  testFailureNotice,
} from '@millrace/shared/contracts/failure-notices';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { callApi } from '../../lib/call-api.ts';
import { useAction } from '../../lib/use-action.ts';
import { useApiForm } from '../../lib/use-api-form.ts';
import { toast } from '../../ui/toast-store.ts';
import { useMembers } from '../members/use-members.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { type NoticeSettings, sayTest } from './describe-settings.ts';
import { NoticeForm, nameUnconfirmed } from './notice-form.ts';

const noticesKey = (orgId: string) => ['orgs', orgId, 'failure-notices'];

export function useFailureNotices() {
  const { organization } = useOrganization();
  return useQuery({
    queryKey: noticesKey(organization.id),
    queryFn: ({ signal }) => callApi(getFailureNotices, { params: { orgId: organization.id }, signal }),
    select: ({ settings }) => settings,
  });
}

/** `secret` is a new signing secret: it is shown once, and held nowhere but in the dialog that shows it. */
export function useFailureNoticesForm(settings: NoticeSettings) {
  const { organization } = useOrganization();
  const params = { orgId: organization.id };
  const queries = useQueryClient();
  const members = useMembers();
  const [secret, setSecret] = useState<string>();
  const saving = useApiForm({
    schema: NoticeForm,
    defaults: { channel: settings.channel, emails: settings.emails, url: '' },
    send: async (body) => {
      try {
        const answer = await callApi(putFailureNotices, { params, body });
        setSecret(answer.secret);
        queries.setQueryData(noticesKey(organization.id), { settings: answer.settings });
        saving.form.setValue('url', '');
        toast('Saved.');
      } catch (error) {
        throw nameUnconfirmed(error, body.channel === 'email' ? body.emails : []);
      }
    },
  });
  const test = useAction({
    run: async () => sayTest(await callApi(testFailureNotice, { params })),
    done: ({ ok, text }) => void toast(text, ok ? 'success' : 'danger'),
  });
  const rotate = useAction({
    run: () => callApi(rotateFailureNoticeSecret, { params }),
    done: (answer) => void setSecret(answer.secret),
  });
  const channel = saving.form.watch('channel');
  return { ...saving, channel, members, test, rotate, secret, forgetSecret: () => setSecret(undefined) };
}
