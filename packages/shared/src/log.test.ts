import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { invitationAcceptFailed } from './events.ts';
import { createLog } from './log.ts';

function capture(level = 'info') {
  const lines: Record<string, unknown>[] = [];
  const log = createLog('api', level, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { log, lines };
}

const SECRET_FIELDS = [
  'authorization',
  'cookie',
  'set-cookie',
  'password',
  'passwordHash',
  'token',
  'accessToken',
  'refreshToken',
  'secret',
  'clientSecret',
  'apiKey',
];

it.each(SECRET_FIELDS)('writes no value of a field named %s, at the top or two levels down', (field) => {
  const { log, lines } = capture();
  const secret = 'canary-value';
  log.info({ [field]: secret, kept: 1 }, 'top');
  log.info({ request: { [field]: secret, kept: 1 } }, 'one down');
  log.info({ request: { headers: { [field]: secret, kept: 1 } } }, 'two down');
  log.info({ [field]: { deep: secret }, list: [{ [field]: secret }] }, 'as an object, in a list');
  log.child({ [field]: secret }).info('in a child');
  expect(lines).toHaveLength(5);
  expect(JSON.stringify(lines)).not.toContain('canary');
  expect(JSON.stringify(lines).match(/"kept":1/g)).toHaveLength(3);
});

it('writes one JSON line per event with program, level name, ISO time and its fields', () => {
  const { log, lines } = capture();
  const fields = { requestId: 'r', tokenPrefix: 'abcd', reasonCode: 'expired', userId: 'u', path: '/v1' };
  invitationAcceptFailed(log, fields);
  expect(lines).toEqual([
    {
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      program: 'api',
      event: 'invitation_accept_failed',
      msg: 'invitation_accept_failed',
      ...fields,
    },
  ]);
});

it('keeps quiet below its level', () => {
  const { log, lines } = capture('warn');
  log.info({}, 'not worth it');
  log.warn({}, 'worth it');
  expect(lines.map((line) => line.msg)).toEqual(['worth it']);
});

it('says everything before its process ends, in the order it was said, whatever the line count of a turn', async () => {
  const module = JSON.stringify(new URL('./log.ts', import.meta.url).href);
  const code = `const { createLog } = await import(${module});
    const log = createLog('api', 'info');
    for (let line = 0; line < 500; line++) log.info({ line }, 'x'.repeat(1_000));
    process.exit(0);`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code]);
  const numbers = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).line);
  expect(numbers).toEqual(Array.from({ length: 500 }, (_, line) => line));
});

it.each(['verbose', ''])(
  'speaks from info on when the level is %j: whoever reads the settings can refuse it',
  (level) => {
    const { log, lines } = capture(level);
    log.info('here');
    log.debug('not here');
    expect(lines).toMatchObject([{ level: 'info', msg: 'here' }]);
  },
);
