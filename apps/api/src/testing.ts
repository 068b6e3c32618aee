import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memberships } from '@millrace/db/schema/memberships';
import { organizations } from '@millrace/db/schema/organizations';
import { withOrg } from '@millrace/db/tenant';
import { createTestDatabase, type TestDatabase } from '@millrace/db/testing';
import { type ReadMail, readMailbox } from '@millrace/mail/testing';
import { ApiConfig, parseConfig } from '@millrace/shared/config';
import { type Session, signUp, type User } from '@millrace/shared/contracts/auth';
import type { Contract, ContractResponse } from '@millrace/shared/contracts/contract';
import type { ErrorDetail } from '@millrace/shared/errors';
import { newId } from '@millrace/shared/ids';
import { createLog } from '@millrace/shared/log';
import type { RoleKey } from '@millrace/shared/permissions';
import { generateSigningKeys } from '@millrace/shared/tokens';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import { buildApp } from './app.ts';
import { closeDeps, type Deps, openDeps } from './deps.ts';

/** The whole API for a test file: a database of its own, the real Redis under a queue name of its own, no sockets. */
export interface TestApi {
  app: FastifyInstance;
  deps: Deps;
  /** As the superuser, for looking at rows behind the API's back. */
  adminUrl: string;
  /** The login of workers. */
  workerUrl: string;
  /** Every line logged so far, parsed, oldest first. */
  logLines: LogLine[];
  /** Every mail that arrived so far, oldest first, unless `SMTP_URL` sends them elsewhere. */
  readMails(): Promise<ReadMail[]>;
  close(): Promise<void>;
}

interface LogLine {
  level: string;
  event?: string;
  [field: string]: unknown;
}

export interface TestUser {
  id: string;
  email: string;
  password: string;
  token: string;
  user: User;
  session: Session;
  /** The refresh cookie as a `Cookie` header sends it: `name=value`. */
  cookie: string;
}

export interface CallInput {
  params?: Record<string, string | number>;
  query?: Record<string, string>;
  body?: unknown;
  token?: string;
  /** Win over what the call sets by itself; undefined leaves a header out, as in `{ 'x-org-id': undefined }`. */
  headers?: Record<string, string | undefined>;
}

/** What came back. `body` is typed as success and failure at once: assert `status` before reading either. */
export interface CallResult<C extends Contract> {
  status: number;
  headers: LightMyRequestResponse['headers'];
  body: ContractResponse<C> & { code: string; message: string; requestId: string; details?: ErrorDetail[] };
  text: string;
}

type Overrides = Partial<ApiConfig>;

/** Opens the API with settings of its own on top of the defaults, which may depend on its database. Call `close` at the end. */
export async function openTestApi(
  settings: Overrides | ((database: TestDatabase) => Overrides) = {},
): Promise<TestApi> {
  const database = await createTestDatabase();
  const overrides = typeof settings === 'function' ? settings(database) : settings;
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-api-'));
  const logLines: LogLine[] = [];
  const log = createLog('api', 'debug', { write: (line: string) => void logLines.push(JSON.parse(line)) });
  const config = parseConfig(ApiConfig, {
    NODE_ENV: 'test',
    MILLRACE_DATA_DIR: dataDir,
    API_DATABASE_URL: database.apiUrl,
    REDIS_URL: testRedisUrl(),
    WORKFLOW_QUEUE_NAME: `test-${randomBytes(6).toString('hex')}`,
    AUTH_SIGNING_KEYS: await generateSigningKeys(),
    AUTH_TOKEN_SECRET: randomBytes(32).toString('hex'),
    // Tests of limits set their own; all others come from one address.
    RATE_LIMIT_SIGN_IN_PER_MIN: '1000000',
    RATE_LIMIT_LINK_PER_MIN: '1000000',
    RATE_LIMIT_LOGIN_FAILURES: '1000000',
    RATE_LIMIT_PASSWORD_CHANGES_PER_HOUR: '1000000',
    RATE_LIMIT_SLUG_CHECKS_PER_MIN: '1000000',
  });
  const deps = await openDeps({ ...config, ...overrides }, log);
  const app = await buildApp(deps);
  deps.mailSender.start();
  deps.noticeSender.start();
  return {
    app,
    deps,
    adminUrl: database.adminUrl,
    workerUrl: database.workerUrl,
    logLines,
    readMails: () => readMailbox(join(deps.config.MILLRACE_DATA_DIR, 'mailbox')),
    close: async () => {
      await app.close();
      await closeDeps(deps);
      await database.drop();
      await rm(dataDir, { recursive: true });
    },
  };
}

/** One request by its contract. The `X-Org-Id` header follows the path unless `headers` says otherwise. */
export async function call<C extends Contract>(
  api: TestApi,
  contract: C,
  input: CallInput = {},
): Promise<CallResult<C>> {
  const headers = {
    ...(input.token !== undefined && { authorization: `Bearer ${input.token}` }),
    ...(input.params?.orgId !== undefined && { 'x-org-id': String(input.params.orgId) }),
    ...input.headers,
  };
  const response = await api.app.inject({
    method: contract.method,
    url: contract.path.replace(/:(\w+)/g, (_, name) => encodeURIComponent(String(input.params?.[name] ?? `:${name}`))),
    ...(input.query && { query: input.query }),
    ...(input.body !== undefined && { payload: input.body as object }),
    headers: Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)),
  });
  const text = response.body;
  return { status: response.statusCode, headers: response.headers, body: text ? JSON.parse(text) : undefined, text };
}

/** Signs up somebody new, through the API. */
export async function signUpUser(api: TestApi, email = `user-${newId()}@example.com`): Promise<TestUser> {
  const password = `pass ${randomBytes(12).toString('hex')}`;
  const { status, headers, body, text } = await call(api, signUp, { body: { email, password, displayName: 'Test' } });
  if (status !== 201) throw new Error(`sign-up answered ${status}: ${text}`);
  const { session, user } = body;
  return { id: user.id, email, password, token: session.token, user, session, cookie: readCookie(headers) };
}

/** An organization with this owner and members, written straight into the database. Answers its id. */
export async function createOrg(api: TestApi, owner: TestUser, members: [TestUser, RoleKey][] = []): Promise<string> {
  const orgId = newId();
  const everyone: [TestUser, RoleKey][] = [[owner, 'owner'], ...members];
  await withOrg(api.deps.db, orgId, async (tx) => {
    await tx.insert(organizations).values({ id: orgId, slug: `org-${orgId}`, name: 'Test organization' });
    await tx
      .insert(memberships)
      .values(everyone.map(([user, roleKey]) => ({ orgId, id: newId(), userId: user.id, roleKey })));
  });
  return orgId;
}

/** The name and value of the one cookie an answer sets. */
export function readCookie(headers: LightMyRequestResponse['headers']): string {
  const [cookie, ...others] = [headers['set-cookie'] ?? []].flat();
  if (cookie === undefined || others.length > 0) throw new Error('the answer does not set exactly one cookie');
  return cookie.split(';')[0] ?? '';
}

function testRedisUrl(): string {
  const url = process.env.MILLRACE_TEST_REDIS_URL;
  if (!url) throw new Error('MILLRACE_TEST_REDIS_URL is not set: run the tests with npm test');
  return url;
}
