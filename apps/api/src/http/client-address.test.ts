import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addressBucket, addressNetwork, readAddress } from './client-address.ts';

it.each([
  ['203.0.113.7', '203.0.113.7'],
  ['203.0.113.7:51234', '203.0.113.7'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['::FFFF:cb00:7107', '203.0.113.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:0001:0002::', '2001:db8:1:2::/64'],
  ['[2001:db8:1:2::9]:443', '2001:db8:1:2::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
])('A4: counts %s as %s', (address, bucket) => {
  expect(addressBucket(address)).toBe(bucket);
});

it.each([
  ['203.0.113.7:51234', '203.0.113.7'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
  ['[2001:DB8:0001::9]:443', '2001:db8:1::/48'],
  ['::1', '0:0:0::/48'],
  ['unknown', 'unreadable'],
])('A4: takes %s for part of the network %s', (address, network) => {
  expect(addressNetwork(address)).toBe(network);
});

it('A4: counts every address of one /64 as one caller, and no other with it', () => {
  const group = fc.integer({ min: 0, max: 0xffff });
  fc.assert(
    fc.property(fc.array(group, { minLength: 12, maxLength: 12 }), (numbers) => {
      fc.pre(numbers.slice(0, 6).some((number) => number !== 0));
      const groups = numbers.map((number) => number.toString(16));
      const network = groups.slice(0, 4);
      const own = addressBucket([...network, ...groups.slice(4, 8)].join(':'));
      expect(addressBucket([...network, ...groups.slice(8, 12)].join(':'))).toBe(own);
      const neighbour = [...network.slice(0, 3), (((numbers[3] ?? 0) + 1) & 0xffff).toString(16)];
      expect(addressBucket([...neighbour, ...groups.slice(4, 8)].join(':'))).not.toBe(own);
    }),
  );
});

it('A4: puts whatever is no address into one bucket', () => {
  for (const text of ['', 'unknown', '_hidden', 'a.example', '[', '300.1.1.1', '1.2.3.4.5', '::1::', 'x'.repeat(9000)])
    expect(addressBucket(text)).toBe('unreadable');
});

it('T4: reads an address in one spelling, and none from other text', () => {
  expect(['::FFFF:cb00:7107', '[2001:DB8::0009]:443', '203.0.113.7:1'].map(readAddress)).toEqual([
    '203.0.113.7',
    '2001:db8::9',
    '203.0.113.7',
  ]);
  for (const text of ['', 'unknown', "' OR 1=1 --", 'a'.repeat(5000)]) expect(readAddress(text)).toBeUndefined();
});
