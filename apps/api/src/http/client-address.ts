import { isIPv4, isIPv6 } from 'node:net';

/** Where addresses are counted together that cannot be read: nobody escapes a limit by being odd. */
const UNREADABLE = 'unreadable';

/**
 * The IP address in a text, in its one short spelling: without the port, brackets and zone that some proxies add, and as
 * IPv4 where IPv6 only wraps one. Undefined when there is none.
 */
export function readAddress(text: string): string | undefined {
  const [bare = ''] = text.split('%');
  const url = `http://${isIPv6(bare) ? `[${bare}]` : bare}`;
  const host = URL.canParse(url) ? new URL(url).hostname : '';
  if (isIPv4(host)) return host;
  if (!host.startsWith('[')) return undefined;
  const address = host.slice(1, -1);
  const groups = expand(address);
  const isMapped = groups.slice(0, 5).every((group) => group === '0') && groups[5] === 'ffff';
  return isMapped ? toIPv4(groups.slice(6)) : address;
}

/**
 * What counts as one caller: an IPv4 address, or an IPv6 /64, because one customer is given at least that much and could
 * otherwise take a new address for every request.
 */
export function addressBucket(text: string): string {
  const address = readAddress(text);
  if (address === undefined) return UNREADABLE;
  return isIPv4(address) ? address : `${expand(address).slice(0, 4).join(':')}::/64`;
}

/** The IPv4 address, or the IPv6 /48, which is what one site is given: whoever has one has 65,536 of the buckets above. */
export function addressNetwork(text: string): string {
  const address = readAddress(text);
  if (address === undefined) return UNREADABLE;
  return isIPv4(address) ? address : `${expand(address).slice(0, 3).join(':')}::/48`;
}

/** The eight groups of an address as URLs write it: lower case, without leading zeros, `::` for a row of them. */
function expand(address: string): string[] {
  const [head = [], tail = []] = address.split('::').map((part) => part.split(':').filter((group) => group !== ''));
  return [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail];
}

function toIPv4(groups: string[]): string {
  return groups
    .map((group) => Number.parseInt(group, 16))
    .flatMap((value) => [value >> 8, value & 0xff])
    .join('.');
}
