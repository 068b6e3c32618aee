import type { MailContent } from '../mailer.ts';
import { composeMail, cut, oneLine } from './letter.ts';

export interface RunFailedMail {
  organizationName: string;
  workflowName: string;
  /** Runs of this workflow that failed since the last mail like this, the newest included. */
  failedCount: number;
  /** Of the newest failure. */
  errorCode: string;
  errorMessage: string;
  /** Where the failed run can be looked at. */
  url: string;
}

/** Whole stacks and answers of servers find their way into messages; a mail only has to say what is wrong. */
const MESSAGE_LIMIT = 500;

/** Tells that runs of a workflow fail. */
export function runFailedMail(data: RunFailedMail): MailContent {
  const workflow = oneLine(data.workflowName);
  const what = data.failedCount === 1 ? 'A run' : `${data.failedCount} runs`;
  return composeMail({
    subject: data.failedCount === 1 ? `A run of “${workflow}” failed` : `${what} of “${workflow}” failed`,
    paragraphs: [`${what} of the workflow “${workflow}” failed.`],
    facts: [
      ['Organization', oneLine(data.organizationName)],
      ['Workflow', workflow],
      ['Error', oneLine(data.errorCode)],
      ['Message', cut(oneLine(data.errorMessage), MESSAGE_LIMIT)],
    ],
    action: { label: 'Look at the run', url: data.url },
    closing: 'You get this mail because the organization sends notices of failed runs to this address.',
  });
}
