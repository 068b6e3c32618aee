import { isIPv4, isIPv6 } from 'node:net';

/** Where addresses are counted together that no IP address could be read from: nobody escapes a limit by being odd. */
const UNREADABLE = 'unreadable';

/**
 * What counts as one caller: an IPv4 address, or an IPv6 /64, because one customer is given at least that much and could
 * otherwise take a new address for every request. A port, brackets and a zone, which some proxies add, do not count.
 */
export function addressBucket(address: string): string {
  const [bare = ''] = address.split('%');
  const url = `http://${isIPv6(bare) ? `[${bare}]` : bare}`;
  const host = URL.canParse(url) ? new URL(url).hostname : '';
  if (isIPv4(host)) return host;
  if (!host.startsWith('[')) return UNREADABLE;
  const groups = expand(host.slice(1, -1));
  const isMapped = groups.slice(0, 5).every((group) => group === '0') && groups[5] === 'ffff';
  return isMapped ? toIPv4(groups.slice(6)) : `${groups.slice(0, 4).join(':')}::/64`;
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
