import { Configuration } from 'openid-client';
import { expect, it } from 'vitest';
import { cacheDiscovery } from './discovery.ts';

const HOUR_MS = 3_600_000;

/** A provider that answers a new description each time, or fails; and a clock that is set by hand. */
function scene() {
  const self = { asked: 0, isDown: false, now: 0 };
  const discover = async () => {
    self.asked += 1;
    if (self.isDown) throw new Error('down');
    return new Configuration({ issuer: `https://issuer.example/${self.asked}` }, 'client');
  };
  const discovery = cacheDiscovery(discover, () => self.now);
  const get = async () => (await discovery.get()).serverMetadata().issuer.split('/').at(-1);
  return { self, discovery, get };
}

it('asks once for all who wait, and again after an hour', async () => {
  const { self, get } = scene();
  expect(await Promise.all([get(), get(), get()])).toEqual(['1', '1', '1']);
  self.now = HOUR_MS - 1;
  expect(await get()).toBe('1');
  self.now = HOUR_MS;
  expect(await get()).toBe('2');
  expect(self.asked).toBe(2);
});

it('goes on with what it knows while the provider is down, asking once a minute', async () => {
  const { self, get } = scene();
  await get();
  Object.assign(self, { isDown: true, now: HOUR_MS });
  expect(await get()).toBe('1');
  self.now += 59_000;
  expect([await get(), self.asked]).toEqual(['1', 2]);
  Object.assign(self, { isDown: false, now: self.now + 1_000 });
  expect(await get()).toBe('3');
});

it('fails when it knows nothing yet, and asks again the next time', async () => {
  const { self, get } = scene();
  self.isDown = true;
  await expect(get()).rejects.toThrow('down');
  self.isDown = false;
  expect(await get()).toBe('2');
});

it('asks again when told to forget', async () => {
  const { discovery, get } = scene();
  await get();
  discovery.forget();
  expect(await get()).toBe('2');
});
