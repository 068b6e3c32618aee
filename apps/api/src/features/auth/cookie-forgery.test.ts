import { withoutOrg } from '@millrace/db/tenant';
import { logOut, logOutAll, refreshSession } from '@millrace/shared/contracts/auth';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestApi, signUpUser, type TestApi, type TestUser } from '../../testing.ts';
import { createSession } from './sessions.ts';

const ABSENT = undefined;
const SITES = [ABSENT, 'same-origin', 'same-site', 'cross-site', 'none', '', 'same-origin, same-origin', 'SAME-ORIGIN'];
/** What arrives as the body; only the first two are JSON or nothing, which is what the web app sends. */
const BODIES: { type: string | undefined; payload: string | undefined; isAccepted: boolean }[] = [
  { type: ABSENT, payload: ABSENT, isAccepted: true },
  { type: 'application/json', payload: '{}', isAccepted: true },
  { type: 'application/json; charset=utf-8', payload: '{}', isAccepted: true },
  { type: 'text/plain', payload: '{}', isAccepted: false },
  { type: 'text/plain;application/json', payload: '{}', isAccepted: false },
  { type: 'application/x-www-form-urlencoded', payload: 'a=1', isAccepted: false },
  { type: 'multipart/form-data; boundary=x', payload: '--x--', isAccepted: false },
  { type: 'application/x-json', payload: '{}', isAccepted: false },
  { type: ABSENT, payload: '{}', isAccepted: false },
];

describe.each(['http://localhost:3000', 'https://flows.example.com'])('A10: with the web app at %s', (webOrigin) => {
  const { protocol, host, hostname } = new URL(webOrigin);
  const origins = [
    ABSENT,
    webOrigin,
    'null',
    '',
    '*',
    `${webOrigin}.evil.example`,
    `${protocol}//evil-${host}`,
    `${protocol}//evil.${host}`,
    `${protocol === 'https:' ? 'http:' : 'https:'}//${host}`,
    `${protocol}//${hostname}:1`,
    `${protocol}//${hostname}:80`,
    `${webOrigin}/`,
    `${webOrigin}/path`,
    `${protocol}//user@${host}`,
    webOrigin.toUpperCase(),
    `${webOrigin}, ${webOrigin}`,
    `${webOrigin} https://evil.example`,
    ` ${webOrigin}.`,
  ];
  let api: TestApi;
  let user: TestUser;
  beforeAll(async () => {
    api = await openTestApi({ WEB_BASE_URL: webOrigin });
    user = await signUpUser(api);
  });
  afterAll(() => api.close());

  const cookieName = protocol === 'https:' ? '__Host-rt' : 'rt';
  async function newCookie(): Promise<string> {
    const { db, config } = api.deps;
    const client = { userAgent: null, ipAddress: '127.0.0.1' };
    const { refreshToken } = await withoutOrg(db, (tx) => createSession(config, tx, user.id, client));
    return `${cookieName}=${refreshToken}`;
  }

  it.each([
    ['refresh', refreshSession],
    ['logout', logOut],
    ['logout-all', logOutAll],
  ])('%s counts the cookie for this very origin and for JSON or nothing, in every combination', async (_, contract) => {
    let cookie = await newCookie();
    let accepted = 0;
    for (const origin of origins)
      for (const site of SITES)
        for (const { type, payload, isAccepted } of BODIES) {
          const headers = { cookie, origin, 'sec-fetch-site': site, 'content-type': type };
          const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ABSENT));
          const answer = await api.app.inject({
            method: 'POST',
            url: contract.path,
            headers: given,
            ...(payload !== undefined && { payload }),
          });
          const isOurs = origin === webOrigin || (origin === ABSENT && site === 'same-origin');
          const allowed = isOurs ? 200 : 403;
          expect(answer.statusCode, JSON.stringify({ ...given, cookie: '' })).toBe(isAccepted ? allowed : 415);
          expect(answer.headers['set-cookie'] !== undefined).toBe(answer.statusCode === 200);
          if (answer.statusCode !== 200) continue;
          accepted += 1;
          cookie = await newCookie();
        }
    expect(accepted).toBe(3 * (SITES.length + 1));
    const last = { method: 'POST', url: refreshSession.path, headers: { cookie, origin: webOrigin } } as const;
    expect((await api.app.inject(last)).statusCode).toBe(200); // nothing that was refused had touched the session
  });
});
