import { availableParallelism } from 'node:os';
import { withoutOrg } from '@millrace/db/tenant';
import { logIn, logOut, logOutAll, refreshSession, signUp } from '@millrace/shared/contracts/auth';
import { getMe } from '@millrace/shared/contracts/me';
import { newId } from '@millrace/shared/ids';
import { reportFigure } from '@millrace/shared/testing';
import { verifyAccessToken } from '@millrace/shared/tokens';
import { parseOptions } from '@node-rs/argon2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../app.ts';
import { closeDeps, openDeps } from '../../deps.ts';
import { call, openTestApi, readCookie, signUpUser, type TestApi, type TestUser } from '../../testing.ts';
import { createSession } from './sessions.ts';

const ORIGIN = 'http://localhost:3000';
const GRACE_SEC = 10;

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
});
afterAll(() => api.close());

const sql = async (text: string, values: unknown[] = []) => (await api.deps.db.pool.query(text, values)).rows;
const refresh = (cookie: string, headers: Record<string, string | undefined> = {}) =>
  call(api, refreshSession, { headers: { cookie, origin: ORIGIN, ...headers } });
const isTokenAlive = async (token: string) => (await call(api, getMe, { token })).status === 200;
const eventsOf = (name: string, sessionId: string) =>
  api.logLines.filter((line) => line.event === name && line.sessionId === sessionId);
/** As if so many seconds had passed since the last rotation. */
const ageRotation = (user: TestUser, seconds: number) =>
  sql(`UPDATE app.auth_sessions SET rotated_at = rotated_at - make_interval(secs => $2) WHERE id = $1`, [
    user.session.sessionId,
    seconds,
  ]);

describe('sign-up', () => {
  it('answers a session that works, a user without secrets, and the cookie', async () => {
    const email = `  New.Person+${Date.now()}@Example.COM `;
    const before = Math.floor(Date.now() / 1000);
    const { status, body, headers } = await call(api, signUp, {
      body: { email, password: 'correct horse', displayName: ' Ada ' },
      headers: { 'user-agent': 'Test/1' },
    });
    expect(status).toBe(201);
    const { session, user } = body;
    expect(Object.keys(body)).toEqual(['session', 'user']);
    expect(user).toEqual({
      id: session.userId,
      email: email.trim().toLowerCase(),
      displayName: 'Ada',
      createdAt: expect.any(String),
    });
    expect(session).toMatchObject({ tokenType: 'access', email: user.email });
    expect(session.issuedAt).toBeGreaterThanOrEqual(before);
    expect(session.expiresAt - session.issuedAt).toBe(900);
    const claims = await verifyAccessToken(api.deps.signingKeys, session.token, session.issuedAt);
    expect(claims).toEqual({
      userId: user.id,
      sessionId: session.sessionId,
      email: user.email,
      issuedAt: session.issuedAt,
      expiresAt: session.expiresAt,
    });
    expect(await isTokenAlive(session.token)).toBe(true);
    const set = [headers['set-cookie']].flat();
    expect(set).toHaveLength(1);
    expect(set[0]).toMatch(
      /^rt=[0-9a-f-]{36}\.[\w-]{43}; Max-Age=(604800|604799); Path=\/; HttpOnly; SameSite=Strict$/,
    );
    expect(headers['cache-control']).toBe('no-store');
  });

  it('A1: keeps of the password an argon2id hash with the agreed cost, of the refresh token a hash', async () => {
    const user = await signUpUser(api);
    const [row] = await sql(
      `SELECT u.password_hash, s.refresh_hash, encode(s.refresh_salt, 'hex') AS salt, s.ip_address
       FROM app.users u JOIN app.auth_sessions s ON s.user_id = u.id WHERE u.id = $1`,
      [user.id],
    );
    expect(row.password_hash).toMatch(/^\$argon2id\$/);
    expect(parseOptions(row.password_hash)).toMatchObject({
      algorithm: 2,
      memoryCost: 19_456,
      timeCost: 2,
      parallelism: 1,
    });
    const secret = Buffer.from(user.cookie.split('.')[1] ?? '', 'base64url');
    expect(secret).toHaveLength(32);
    expect(row.refresh_hash.equals(secret)).toBe(false);
    expect(row.salt).not.toBe(secret.toString('hex'));
    expect(row.ip_address).toBe('127.0.0.1');
  });

  it('answers 409 for a registered address in any case, and keeps the first password', async () => {
    const user = await signUpUser(api);
    const again = await call(api, signUp, { body: { email: user.email.toUpperCase(), password: 'another one' } });
    expect(again).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    expect(again.headers['set-cookie']).toBeUndefined();
    const login = await call(api, logIn, { body: { email: user.email, password: user.password } });
    expect(login.status).toBe(200);
  });

  it('lets exactly one of many simultaneous sign-ups with one address win', async () => {
    const email = `race-${Date.now()}@example.com`;
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => call(api, signUp, { body: { email, password: 'correct horse' } })),
    );
    expect(answers.map((answer) => answer.status).toSorted()).toEqual([201, ...Array(7).fill(409)]);
    expect(await sql('SELECT FROM app.users WHERE email = $1', [email])).toHaveLength(1);
    expect(answers.map((answer) => answer.text).join()).not.toMatch(/users_email_key|23505|duplicate/);
  });

  it.each([
    ['no body', undefined],
    ['a short password', { email: 'a@example.com', password: '1234567' }],
    ['a password over 256 characters', { email: 'a@example.com', password: 'x'.repeat(257) }],
    ['a password that only decomposed is long enough', { email: 'a@example.com', password: 'e\u0301'.repeat(7) }],
    ['half a character in the password', { email: 'a@example.com', password: 'secret\ud800secret' }],
    ['a NUL in the password', { email: 'a@example.com', password: 'secret\u0000secret' }],
    ['an address without a host', { email: 'nobody', password: 'correct horse' }],
    ['an address that is too long', { email: `${'a'.repeat(250)}@example.com`, password: 'correct horse' }],
    ['an address of another type', { email: ['a@example.com'], password: 'correct horse' }],
    ['a password of another type', { email: 'a@example.com', password: 12345678 }],
    ['an empty name', { email: 'a@example.com', password: 'correct horse', displayName: ' ' }],
    ['a chosen id', { email: 'a@example.com', password: 'correct horse', id: '0198c0de-0000-7000-8000-000000000000' }],
    ['a role', { email: 'a@example.com', password: 'correct horse', role: 'owner' }],
  ])('refuses %s with 400 and says where', async (_name, body) => {
    const answer = await call(api, signUp, { body });
    expect(answer).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } });
    expect(answer.body.details?.length).toBeGreaterThan(0);
  });

  it.each([
    ['the shortest', '\u{1F511}j4\u{1F40E}x?Zq'],
    ['the longest', `Zebra quilt 71 ${'p'.repeat(241)}`],
    ['one of spaces and quotes', ' \' " ; -- \\ '],
  ])('A1: takes %s password exactly as it is', async (_name, password) => {
    const email = `exact-${newId()}@example.com`;
    expect((await call(api, signUp, { body: { email, password } })).status).toBe(201);
    expect((await call(api, logIn, { body: { email, password } })).status).toBe(200);
    for (const wrong of [`${password}x`, `x${password}`, [...password].slice(1).join('')])
      expect((await call(api, logIn, { body: { email, password: wrong } })).status).toBe(401);
  });

  it('A1: takes the same password however its accents were typed', async () => {
    const email = `accents-${Date.now()}@example.com`;
    const composed = 'caf\u00e9 cr\u00e8me \u{1F600}';
    await call(api, signUp, { body: { email, password: composed.normalize('NFD') } });
    for (const password of [composed, composed.normalize('NFD')])
      expect((await call(api, logIn, { body: { email, password } })).status).toBe(200);
  });
});

describe('login', () => {
  it('A8: starts a session of its own each time', async () => {
    const user = await signUpUser(api);
    const body = { email: ` ${user.email.toUpperCase()} `, password: user.password };
    const first = await call(api, logIn, { body });
    const second = await call(api, logIn, { body });
    expect([first.status, second.status]).toEqual([200, 200]);
    const ids = [user.session.sessionId, first.body.session.sessionId, second.body.session.sessionId];
    expect(new Set(ids).size).toBe(3);
    expect(await isTokenAlive(user.token)).toBe(true);
  });

  it('A3: answers an unknown address, a wrong password, a user without one and a disabled user alike', async () => {
    const [user, passwordless, disabled] = await Promise.all([signUpUser(api), signUpUser(api), signUpUser(api)]);
    await sql('UPDATE app.users SET password_hash = NULL WHERE id = $1', [passwordless.id]);
    await sql('UPDATE app.users SET disabled_at = now() WHERE id = $1', [disabled.id]);
    const attempts = [
      { email: 'nobody-here@example.com', password: 'wrong password' },
      { email: user.email, password: 'wrong password' },
      { email: passwordless.email, password: passwordless.password },
      { email: disabled.email, password: disabled.password },
    ];
    const answers = await Promise.all(attempts.map((body) => call(api, logIn, { body })));
    const bodies = answers.map(({ status, headers, body: { requestId: _, ...body } }) => ({
      status,
      body,
      cookie: headers['set-cookie'],
    }));
    expect(bodies[0]).toMatchObject({ status: 401, body: { code: 'UNAUTHORIZED' }, cookie: undefined });
    for (const body of bodies.slice(1)) expect(body).toEqual(bodies[0]);
    const told = answers.map(({ body: { requestId } }) => api.logLines.filter((line) => line.requestId === requestId));
    expect(told).toMatchObject([
      [{ event: 'sign_in_failed', reasonCode: 'unknown_address', userId: null }],
      [{ event: 'sign_in_failed', reasonCode: 'wrong_password', userId: user.id }],
      [{ event: 'sign_in_failed', reasonCode: 'no_password', userId: passwordless.id }],
      [{ event: 'sign_in_failed', reasonCode: 'disabled', userId: disabled.id }],
    ]);
    for (const { email } of attempts) expect(JSON.stringify(told)).not.toContain(email);
  });

  it('A1: replaces a hash made with less work by one with today’s', async () => {
    const user = await signUpUser(api);
    const { hash } = await import('@node-rs/argon2');
    const weak = await hash(user.password, { memoryCost: 8192, timeCost: 1, parallelism: 1 });
    await sql('UPDATE app.users SET password_hash = $2 WHERE id = $1', [user.id, weak]);
    const body = { email: user.email, password: user.password };
    expect((await call(api, logIn, { body })).status).toBe(200);
    const [row] = await sql('SELECT password_hash FROM app.users WHERE id = $1', [user.id]);
    expect(parseOptions(row.password_hash)).toMatchObject({ memoryCost: 19_456, timeCost: 2 });
    expect((await call(api, logIn, { body })).status).toBe(200);
    expect((await call(api, logIn, { body: { ...body, password: 'wrong password' } })).status).toBe(401);
  });

  it('A2: answers a flood with 429 and Retry-After, and other requests meanwhile', async () => {
    const user = await signUpUser(api);
    const body = { email: user.email, password: 'wrong password' };
    const size = 2 * availableParallelism() + 64 + 40; // more than may run and wait
    const flood = Array.from({ length: size }, () => call(api, logIn, { body }));
    expect(await isTokenAlive(user.token)).toBe(true);
    const answers = await Promise.all(flood);
    const refused = answers.filter((answer) => answer.status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(answers.filter((answer) => answer.status === 401).length).toBe(size - refused.length);
    for (const answer of refused) {
      expect(answer.body.code).toBe('RATE_LIMITED');
      expect(answer.headers['retry-after']).toBe('1');
    }
    expect((await call(api, logIn, { body: { ...body, password: user.password } })).status).toBe(200);
  });
});

describe('refresh', () => {
  it('rotates the cookie and answers a new access token of the same session', async () => {
    const user = await signUpUser(api);
    const { status, body, headers } = await refresh(user.cookie);
    expect(status).toBe(200);
    expect(body.user).toEqual(user.user);
    expect(body.session.sessionId).toBe(user.session.sessionId);
    expect(body.session.token).not.toBe(user.token);
    expect(readCookie(headers)).not.toBe(user.cookie);
    expect(await isTokenAlive(body.session.token)).toBe(true);
  });

  it('A7: answers a token whose answer got lost with the very same successor', async () => {
    const user = await signUpUser(api);
    const lost = await refresh(user.cookie);
    await ageRotation(user, GRACE_SEC - 1);
    const again = await refresh(user.cookie);
    expect(readCookie(again.headers)).toBe(readCookie(lost.headers));
    expect((await refresh(readCookie(again.headers))).status).toBe(200);
    expect(eventsOf('refresh_token_reused', user.session.sessionId)).toEqual([]);
  });

  it('A7: gives 10 parallel refreshes of each of 100 sessions one successor, and refuses none of them', async () => {
    const person = await signUpUser(api);
    const { db, config } = api.deps;
    const client = { userAgent: null, ipAddress: '127.0.0.1' };
    const sessions = await Promise.all(
      Array.from({ length: 100 }, () => withoutOrg(db, (tx) => createSession(config, tx, person.id, client))),
    );
    const refreshTenTimes = ({ refreshToken }: { refreshToken: string }) =>
      Promise.all(Array.from({ length: 10 }, () => refresh(`rt=${refreshToken}`)));
    const rounds = await Promise.all(sessions.map(refreshTenTimes));
    const answers = rounds.flat();
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    const successors = rounds.map((round) => new Set(round.map(({ headers }) => readCookie(headers))));
    expect(successors.every(({ size }) => size === 1)).toBe(true);
    const tokens = successors.flatMap((set) => [...set]);
    expect(new Set(tokens).size).toBe(100);
    for (const cookie of tokens) expect((await refresh(cookie)).status).toBe(200);
    reportFigure(
      'Parallel refreshes',
      `${sessions.length} sessions x 10: 0 of ${answers.length} refused, 1 successor each`,
    );
  });

  it('A7: waits for a sign-out under way and is refused after it', async () => {
    const user = await signUpUser(api);
    const signOut = await api.deps.db.pool.connect();
    try {
      await signOut.query('BEGIN');
      await signOut.query('UPDATE app.auth_sessions SET revoked_at = now() WHERE id = $1', [user.session.sessionId]);
      const waiting = refresh(user.cookie);
      await expect
        .poll(
          () => sql(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`),
          {
            timeout: 10_000,
          },
        )
        .toHaveLength(1);
      await signOut.query('COMMIT');
      expect((await waiting).status).toBe(401);
    } finally {
      signOut.release(true); // ends it, with its locks, also when an expectation failed
    }
  });

  it('A7: keeps refusing a family that died, its newest token included, and logs each replay once', async () => {
    const user = await signUpUser(api);
    const cookies = [user.cookie];
    for (let count = 0; count < 5; count += 1) cookies.push(readCookie((await refresh(cookies.at(-1) ?? '')).headers));
    expect((await refresh(cookies[2] ?? '')).status).toBe(401);
    for (const cookie of cookies) expect((await refresh(cookie)).status).toBe(401);
    expect(eventsOf('refresh_token_reused', user.session.sessionId)).toHaveLength(1);
    expect(await isTokenAlive(user.token)).toBe(false);
  });

  it('A7: ends the session for thief and owner when a token comes back after its grace', async () => {
    const user = await signUpUser(api);
    const next = await refresh(user.cookie);
    await ageRotation(user, GRACE_SEC + 1);
    const replay = await refresh(user.cookie);
    expect(replay).toMatchObject({ status: 401, body: { code: 'UNAUTHORIZED' } });
    expect((await refresh(readCookie(next.headers))).status).toBe(401);
    expect(await isTokenAlive(next.body.session.token)).toBe(false);
    expect(eventsOf('refresh_token_reused', user.session.sessionId)).toEqual([
      expect.objectContaining({ level: 'warn', userId: user.id, requestId: replay.body.requestId }),
    ]);
  });

  it('A7: ends the session when a token two generations old comes back, even at once', async () => {
    const user = await signUpUser(api);
    const second = await refresh(user.cookie);
    const third = await refresh(readCookie(second.headers));
    expect((await refresh(user.cookie)).status).toBe(401);
    expect((await refresh(readCookie(third.headers))).status).toBe(401);
    expect(eventsOf('refresh_token_reused', user.session.sessionId)).toHaveLength(1);
  });

  it('A7: ends the session when a secret was never issued for it, and no other session', async () => {
    const user = await signUpUser(api);
    const other = await call(api, logIn, { body: { email: user.email, password: user.password } });
    const foreign = (await signUpUser(api)).cookie.split('.')[1];
    expect((await refresh(`rt=${user.session.sessionId}.${foreign}`)).status).toBe(401);
    expect((await refresh(user.cookie)).status).toBe(401);
    expect((await refresh(readCookie(other.headers))).status).toBe(200);
  });

  it('refuses text that is no token without touching any session', async () => {
    const user = await signUpUser(api);
    const value = user.cookie.slice('rt='.length);
    const bad = ['', 'x', '.', value.slice(1), value.slice(0, -1), `${value}A`, value.toUpperCase(), `${value}.x`];
    for (const text of [...bad, value.replace('.', ' '), `${value.split('.')[0]}.${'='.repeat(43)}`, '%00', 'a.b.c'])
      expect((await refresh(`rt=${text}`)).status, text).toBe(401);
    expect((await call(api, refreshSession, { headers: { origin: ORIGIN } })).status).toBe(401);
    expect((await refresh(`__Host-rt=${value}`)).status).toBe(401);
    expect((await refresh(user.cookie)).status).toBe(200);
  });

  it('A8: refuses a session that nobody used for its idle time, and one over its whole life', async () => {
    for (const column of ['idle_expires_at', 'absolute_expires_at']) {
      const user = await signUpUser(api);
      await sql(`UPDATE app.auth_sessions SET ${column} = now() - interval '1 second' WHERE id = $1`, [
        user.session.sessionId,
      ]);
      expect((await refresh(user.cookie)).status).toBe(401);
      expect(await isTokenAlive(user.token)).toBe(false);
      expect(eventsOf('refresh_token_reused', user.session.sessionId)).toEqual([]);
    }
  });

  it('A8: prolongs the idle time, never beyond the whole life', async () => {
    const user = await signUpUser(api);
    const id = user.session.sessionId;
    await sql(`UPDATE app.auth_sessions SET idle_expires_at = now() + interval '5 s' WHERE id = $1`, [id]);
    const first = await refresh(user.cookie);
    expect(String(first.headers['set-cookie'])).toMatch(/Max-Age=60479\d|Max-Age=604800/);
    await sql(`UPDATE app.auth_sessions SET absolute_expires_at = now() + interval '100 s' WHERE id = $1`, [id]);
    const second = await refresh(readCookie(first.headers));
    const maxAge = Number(/Max-Age=(\d+)/.exec(String(second.headers['set-cookie']))?.[1]);
    expect(maxAge).toBeGreaterThan(80);
    expect(maxAge).toBeLessThanOrEqual(100);
  });
});

describe('requests that carry the cookie', () => {
  const STRANGE_ORIGINS = [
    'null',
    'http://localhost:3000.evil.example',
    'http://evil-localhost:3000',
    'http://localhost',
    'http://localhost:30000',
    'http://localhost:3001',
    'https://localhost:3000',
    'http://127.0.0.1:3000',
    'http://user@localhost:3000',
    'http://localhost:3000/',
    'HTTP://LOCALHOST:3000',
    '',
    'http://localhost:3000, http://localhost:3000',
  ];
  const routes = [refreshSession, logOut, logOutAll] as const;

  it('A10: count from the web app only, whatever a foreign page can send', async () => {
    const user = await signUpUser(api);
    const attempts: Record<string, string | undefined>[] = [
      ...STRANGE_ORIGINS.map((origin) => ({ origin })),
      ...STRANGE_ORIGINS.map((origin) => ({ origin, 'sec-fetch-site': 'same-origin' })),
      {},
      { referer: `${ORIGIN}/` },
      ...['same-site', 'cross-site', 'none', ''].map((site) => ({ 'sec-fetch-site': site })),
    ];
    for (const contract of routes) {
      for (const headers of attempts) {
        const answer = await call(api, contract, { headers: { cookie: user.cookie, ...headers } });
        expect(answer, JSON.stringify(headers)).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
        expect(answer.headers['set-cookie']).toBeUndefined();
      }
    }
    expect(await isTokenAlive(user.token)).toBe(true);
    expect((await refresh(user.cookie)).status).toBe(200);
  });

  it('A10: count without Origin when the browser vouches that the page is ours', async () => {
    const user = await signUpUser(api);
    expect((await refresh(user.cookie, { origin: undefined, 'sec-fetch-site': 'same-origin' })).status).toBe(200);
  });

  it('A10: are refused with every content type a form can send', async () => {
    const user = await signUpUser(api);
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
      for (const { path: url } of routes) {
        const headers = { cookie: user.cookie, origin: ORIGIN, 'content-type': type };
        const answer = await api.app.inject({ method: 'POST', url, headers, payload: '{}' });
        expect(answer.statusCode).toBe(415);
      }
    }
    expect(await isTokenAlive(user.token)).toBe(true);
  });

  it('open nothing but refresh and logout', async () => {
    const user = await signUpUser(api);
    const headers = { cookie: user.cookie, origin: ORIGIN };
    expect((await call(api, getMe, { headers })).status).toBe(401);
    const created = await api.app.inject({ method: 'POST', url: '/v1/auth/logout-everything', headers });
    expect(created.statusCode).toBe(404);
  });
});

describe('logout', () => {
  it('ends this session at once by bearer, without looking at Origin, and clears the cookie', async () => {
    const user = await signUpUser(api);
    const other = await call(api, logIn, { body: { email: user.email, password: user.password } });
    const { status, body, headers } = await call(api, logOut, { token: user.token });
    expect({ status, body }).toEqual({ status: 200, body: { ok: true } });
    expect(headers['set-cookie']).toBe('rt=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict');
    expect(await isTokenAlive(user.token)).toBe(false);
    expect((await refresh(user.cookie)).status).toBe(401);
    expect(await isTokenAlive(other.body.session.token)).toBe(true);
    expect((await call(api, logOut, { token: user.token })).status).toBe(401);
  });

  it('ends this session at once by cookie', async () => {
    const user = await signUpUser(api);
    const answer = await call(api, logOut, { headers: { cookie: user.cookie, origin: ORIGIN } });
    expect(answer.status).toBe(200);
    expect(await isTokenAlive(user.token)).toBe(false);
    expect((await call(api, logOut, { headers: { cookie: user.cookie, origin: ORIGIN } })).status).toBe(401);
  });

  it('does not fall back to the cookie when the bearer is wrong', async () => {
    const user = await signUpUser(api);
    for (const contract of [logOut, logOutAll]) {
      const headers = { cookie: user.cookie, origin: ORIGIN, authorization: 'Bearer nonsense' };
      expect((await call(api, contract, { headers })).status).toBe(401);
    }
    expect((await call(api, logOut)).status).toBe(401);
    expect(await isTokenAlive(user.token)).toBe(true);
  });

  it.each(['bearer', 'cookie'])('ends all sessions of the user by %s and counts them', async (credential) => {
    const user = await signUpUser(api);
    const bystander = await signUpUser(api);
    const body = { email: user.email, password: user.password };
    const others = await Promise.all([1, 2, 3].map(() => call(api, logIn, { body })));
    await call(api, logOut, { token: others[0]?.body.session.token ?? '' });
    const input =
      credential === 'bearer' ? { token: user.token } : { headers: { cookie: user.cookie, origin: ORIGIN } };
    const answer = await call(api, logOutAll, input);
    expect(answer).toMatchObject({ status: 200, body: { ok: true, revokedCount: 3 } });
    for (const token of [user.token, ...others.map((other) => other.body.session.token)])
      expect(await isTokenAlive(token)).toBe(false);
    expect(await isTokenAlive(bystander.token)).toBe(true);
  });

  it('never deadlocks when a user signs out everywhere from many browsers at once', async () => {
    const user = await signUpUser(api);
    const body = { email: user.email, password: user.password };
    const logins = await Promise.all(Array.from({ length: 6 }, () => call(api, logIn, { body })));
    const cookies = [user.cookie, ...logins.map((login) => readCookie(login.headers))];
    const answers = await Promise.all(
      cookies.map((cookie) => call(api, logOutAll, { headers: { cookie, origin: ORIGIN } })),
    );
    for (const answer of answers) expect([200, 401]).toContain(answer.status);
    const counts = answers.filter((answer) => answer.status === 200).map((answer) => answer.body.revokedCount);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(7);
  });
});

describe('two instances of the API on one database', () => {
  let second: TestApi;
  beforeAll(async () => {
    const deps = await openDeps(api.deps.config, api.deps.log);
    second = { ...api, deps, app: await buildApp(deps) };
  });
  afterAll(async () => {
    await second.app.close();
    await closeDeps(second.deps);
  });

  it('A7: give parallel refreshes one successor between them', async () => {
    const user = await signUpUser(api);
    const answers = await Promise.all(
      [api, second, api, second].map((instance) =>
        call(instance, refreshSession, { headers: { cookie: user.cookie, origin: ORIGIN } }),
      ),
    );
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200]);
    expect(new Set(answers.map((answer) => readCookie(answer.headers))).size).toBe(1);
  });

  it('A6: refuse the very next request after a logout on the other', async () => {
    const user = await signUpUser(api);
    expect((await call(second, getMe, { token: user.token })).status).toBe(200);
    await call(api, logOut, { token: user.token });
    expect((await call(second, getMe, { token: user.token })).status).toBe(401);
  });
});

describe('oauth', () => {
  it.each(['google', 'github'])('says that %s is not configured, and logs a failed callback', async (provider) => {
    const start = await api.app.inject(`/v1/auth/oauth/${provider}/start?mode=json`);
    expect(start.statusCode).toBe(503);
    expect(start.json()).toMatchObject({ code: 'OAUTH_PROVIDER_NOT_CONFIGURED' });
    const path = `/v1/auth/oauth/${provider}/callback`;
    const callback = await api.app.inject(`${path}?mode=json&code=code-canary&state=state-canary&scope=email`);
    expect(callback.statusCode).toBe(503);
    expect(callback.json()).toMatchObject({ code: 'OAUTH_PROVIDER_NOT_CONFIGURED' });
    const { requestId } = callback.json();
    expect(
      api.logLines.filter((line) => line.requestId === requestId && line.event === 'oauth_callback_failed'),
    ).toEqual([expect.objectContaining({ provider, reasonCode: 'provider_not_configured', path })]);
    expect(JSON.stringify(api.logLines)).not.toContain('canary');
  });

  it('knows no other provider', async () => {
    expect((await api.app.inject('/v1/auth/oauth/facebook/start')).statusCode).toBe(400);
  });
});

it('writes no password, cookie or token to the log', async () => {
  const user = await signUpUser(api);
  await call(api, logIn, { body: { email: user.email, password: 'canary-password' } });
  await refresh(user.cookie);
  await refresh(`${user.cookie.slice(0, -1)}_`);
  const log = JSON.stringify(api.logLines);
  for (const secret of [user.password, 'canary-password', user.token, user.cookie.split('.')[1] ?? 'none'])
    expect(log).not.toContain(secret);
});
