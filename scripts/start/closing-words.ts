import { join } from 'node:path';
import type { Demo, DemoNote } from './demo.ts';
import { API_PORT } from './launch-programs.ts';
import type { Platform } from './stages.ts';

interface Closing {
  platform: Platform;
  dataDir: string;
  smtpUrl: string | undefined;
  /** Made by this start, found from an earlier one, or none. */
  demo: Demo | DemoNote | undefined;
}

/** What a person needs to go on from here. The demo's password appears here once and is kept nowhere. */
export function describePlatform({ platform, dataDir, smtpUrl, demo }: Closing): string {
  const lines: [string, string][] = [
    ['Open', platform.webUrl],
    ['API', platform.apiUrl],
    ['Reference', `${platform.apiUrl}/docs`],
    ...(demo ? describeDemo(demo, platform) : []),
    ...(smtpUrl ? [] : [['Mail', `no SMTP_URL: mails land in ${join(dataDir, 'mailbox')}`] satisfies [string, string]]),
    ...(platform.demoIdp ? describeIdp(platform) : []),
    ['Data, logs', dataDir],
    ['Stop', 'Ctrl-C'],
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  const table = lines.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`);
  const isUsualPort = platform.apiPort === API_PORT;
  const hint = isUsualPort
    ? []
    : [`The API is not on its usual port; for the README's commands: export API=${platform.apiUrl}`];
  return ['', 'Millrace is running.', ...table, ...hint].join('\n');
}

function describeDemo(demo: Demo | DemoNote, { apiUrl, echo }: Platform): [string, string][] {
  const isNew = 'password' in demo;
  const password = isNew ? demo.password : 'your demo password';
  const credentials = JSON.stringify({ email: demo.email, password });
  return [
    ['Demo user', isNew ? `${demo.email}, password ${password} (shown only now)` : demo.email],
    ['Demo org', demo.organizationId],
    ['Demo workflow', demo.workflowId],
    ...(echo ? [['Demo server', echo.url] satisfies [string, string]] : []),
    ['Sign in', `curl ${apiUrl}/v1/auth/login -H 'content-type: application/json' -d '${credentials}'`],
  ];
}

function describeIdp({ webUrl }: Platform): [string, string][] {
  return [['Try OAuth', `open ${webUrl}/sign-in, continue with Google and type any address`]];
}
