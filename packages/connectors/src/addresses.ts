import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';

/**
 * True for addresses of the public internet only. IPv6 is an allow list: of 2000::/3 everything but the special blocks,
 * because lists of bad ranges forget forms (`::127.0.0.1` is "unicast" to most libraries) and NAT64 (64:ff9b::/96) leads
 * back into IPv4. Takes a literal without brackets.
 */
export function isPublicAddress(literal: string): boolean {
  const address = ipaddr.parse(literal);
  if (address.kind() === 'ipv4') return address.range() === 'unicast' && !isWithin(address, NOT_PUBLIC_IPV4);
  return isWithin(address, PUBLIC_IPV6) && !isWithin(address, NOT_PUBLIC_IPV6);
}

export type Cidr = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** Whether the literal lies in the range; an address never matches a range of the other family, IPv4-mapped ones neither. */
export function isInCidr(literal: string, cidr: Cidr): boolean {
  return isWithin(ipaddr.parse(literal), [cidr]);
}

/**
 * Whether both literals may lead to the same host: equal, equal after unwrapping an IPv4 carried inside an IPv6, or both
 * this very machine (a service on 127.0.0.1 often answers on 127.0.0.2 and on the network card's address too).
 */
export function isSameHost(a: string, b: string): boolean {
  const left = unwrapIpv4(a);
  const right = unwrapIpv4(b);
  return left === right || (isThisMachine(left) && isThisMachine(right));
}

/** Azure answers instance metadata on 168.63.129.16, a public address. */
const NOT_PUBLIC_IPV4 = cidrs('168.63.129.16/32');
const PUBLIC_IPV6 = cidrs('2000::/3');
/** IETF protocol assignments with Teredo, documentation (RFC 3849, RFC 9637), 6to4. */
const NOT_PUBLIC_IPV6 = cidrs('2001::/23', '2001:db8::/32', '3fff::/20', '2002::/16');

/** IPv6 ranges whose last 32 bits are an IPv4 address: compatible, mapped, translated, NAT64 and local NAT64. */
const IPV4_AT_THE_END = cidrs('::/96', '::ffff:0:0/96', '::ffff:0:0:0/96', '64:ff9b::/96', '64:ff9b:1::/48');
const SIX_TO_FOUR = cidrs('2002::/16');
const THIS_MACHINE = cidrs('127.0.0.0/8', '0.0.0.0/8', '::/128', '::1/128');

function cidrs(...ranges: string[]): Cidr[] {
  return ranges.map((range) => ipaddr.parseCIDR(range));
}

function isWithin(address: ipaddr.IPv4 | ipaddr.IPv6, ranges: readonly Cidr[]): boolean {
  return ranges.some((range) => address.kind() === range[0].kind() && address.match(range));
}

function unwrapIpv4(literal: string): string {
  const address = ipaddr.parse(literal);
  if (!(address instanceof ipaddr.IPv6) || isWithin(address, THIS_MACHINE)) return address.toString();
  if (isWithin(address, IPV4_AT_THE_END)) return ipv4From(address.parts[6], address.parts[7]);
  if (isWithin(address, SIX_TO_FOUR)) return ipv4From(address.parts[1], address.parts[2]);
  return address.toString();
}

function ipv4From(high = 0, low = 0): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

function isThisMachine(literal: string): boolean {
  if (isWithin(ipaddr.parse(literal), THIS_MACHINE)) return true;
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return own.some((card) => ipaddr.parse(card.address).toString() === literal);
}
