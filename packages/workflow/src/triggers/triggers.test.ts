import { describe, expect, test } from 'vitest';
import { validateDefinition } from '../validate.ts';

const problemsOf = (trigger: unknown) => {
  const nodes = [{ id: 'a', type: 'transform', config: { value: 1 } }];
  const validation = validateDefinition({ version: 'v2', trigger, nodes });
  return validation.ok ? [] : validation.problems.map(({ path, code }) => `${path} ${code}`);
};
const webhook = (config: unknown) => problemsOf({ type: 'trigger.webhook', config });

describe('a trigger', () => {
  test.each<object>([
    { type: 'trigger.manual' },
    { type: 'trigger.manual', config: {} },
    { type: 'trigger.webhook' },
    { type: 'trigger.webhook', config: { methods: ['GET', 'PUT'], reply: 'accepted' } },
    { type: 'trigger.webhook', config: { reply: 'result' } },
    ...['standard-webhooks', 'stripe', 'slack'].map((scheme) => ({
      type: 'trigger.webhook',
      config: { signature: { scheme, toleranceSec: 60 } },
    })),
    ...['github', 'basic', 'hmac'].map((scheme) => ({ type: 'trigger.webhook', config: { signature: { scheme } } })),
    { type: 'trigger.webhook', config: { signature: { scheme: 'hmac', header: 'X-Shop-Signature' } } },
  ])('%j can be published', (trigger) => {
    expect(problemsOf(trigger)).toEqual([]);
  });

  test.each([
    [{}, 'trigger.type REQUIRED'],
    [null, 'trigger INVALID_VALUE'],
    [{ type: 'trigger.mail' }, 'trigger.type INVALID_VALUE'],
    [{ type: 5 }, 'trigger.type INVALID_VALUE'],
    [{ type: 'trigger.connector' }, 'trigger.type UNSUPPORTED'],
    [{ type: 'trigger.webhook', config: { reply: 'never' } }, 'trigger.config.reply INVALID_VALUE'],
    [{ type: 'trigger.manual', path: '/x' }, 'trigger.path UNKNOWN_KEY'],
  ])('%j is refused by name', (trigger, problem) => {
    expect(problemsOf(trigger)).toEqual([problem]);
  });
});

describe('a webhook trigger', () => {
  test.each([
    [{ methods: [] }, 'trigger.config.methods INVALID_VALUE'],
    [{ methods: ['POST', 'POST'] }, 'trigger.config.methods INVALID_VALUE'],
    [{ methods: ['HEAD'] }, 'trigger.config.methods[0] INVALID_VALUE'],
    [{ reply: 'later' }, 'trigger.config.reply INVALID_VALUE'],
    [{ secret: 'x' }, 'trigger.config.secret UNKNOWN_KEY'],
    [{ signature: {} }, 'trigger.config.signature.scheme REQUIRED'],
    [{ signature: { scheme: 'md5' } }, 'trigger.config.signature.scheme INVALID_VALUE'],
    [{ signature: { scheme: 'github', secret: 'x' } }, 'trigger.config.signature.secret UNKNOWN_KEY'],
    [{ signature: { scheme: 'github', toleranceSec: 1 } }, 'trigger.config.signature.toleranceSec UNKNOWN_KEY'],
    [{ signature: { scheme: 'stripe', toleranceSec: 0 } }, 'trigger.config.signature.toleranceSec INVALID_VALUE'],
    [{ signature: { scheme: 'hmac', header: 'a b' } }, 'trigger.config.signature.header INVALID_VALUE'],
    [{ signature: { scheme: 'hmac', header: '{% $vars.h %}' } }, 'trigger.config.signature.header INVALID_VALUE'],
  ])('%j is refused', (config, problem) => {
    expect(webhook(config)).toEqual([problem]);
  });
});
