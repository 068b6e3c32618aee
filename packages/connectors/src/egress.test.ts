import { describe, expect, test } from 'vitest';
import { isInCidr } from './addresses.ts';
import { parseEgressRules } from './egress.ts';

describe('EGRESS_ALLOW_CIDRS', () => {
  test('is empty by default and ignores stray commas and spaces', () => {
    expect(parseEgressRules('')).toEqual([]);
    expect(parseEgressRules(' , ,')).toEqual([]);
  });

  test('reads ranges of both families with and without a port', () => {
    const rules = parseEgressRules('127.0.0.1/32:4390, 10.0.0.0/8,fd00::/8, ::1/128:8080');
    expect(rules.map((rule) => [`${rule.cidr[0].toString()}/${rule.cidr[1]}`, rule.port])).toEqual([
      ['127.0.0.1/32', 4390],
      ['10.0.0.0/8', null],
      ['fd00::/8', null],
      ['::1/128', 8080],
    ]);
  });

  test.each([
    ['127.0.0.1', 'expected <address>/<bits>'],
    ['localhost/32', 'expected <address>/<bits>'],
    ['10.0.0/8', 'expected <address>/<bits>'],
    ['010.0.0.0/8', 'expected <address>/<bits>'],
    ['10.0.0.0/33', 'the prefix length must be 0 to 32'],
    ['fd00::/129', 'the prefix length must be 0 to 128'],
    ['10.0.0.0/8:0', 'the port must be 1 to 65535'],
    ['10.0.0.0/8:65536', 'the port must be 1 to 65535'],
    ['10.0.0.0/8:http', 'expected <address>/<bits>'],
    ['10.1.2.3/8', 'the range starts at 10.0.0.0, write 10.0.0.0/8'],
    ['fd00::1/8', 'the range starts at fd00::, write fd00::/8'],
    ['10.0.0.0/8 192.168.0.0/16', 'expected <address>/<bits>'],
  ])('names the entry and the problem: %s', (text, problem) => {
    expect(() => parseEgressRules(`192.168.0.0/16, ${text}`)).toThrow(`"${text}" is not an egress rule: ${problem}`);
  });

  test('an IPv4 rule never covers an IPv6 form of the address', () => {
    const [rule] = parseEgressRules('127.0.0.0/8');
    expect(rule && isInCidr('127.0.0.1', rule.cidr)).toBe(true);
    expect(rule && isInCidr('::ffff:127.0.0.1', rule.cidr)).toBe(false);
  });
});
