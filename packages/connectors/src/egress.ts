import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { type Cidr, isInCidr, isPublicAddress, isSameHost } from './addresses.ts';
import { ActionError } from './sdk.ts';

/** A range that steps may reach although it is not public; `port` null means every port. */
export type EgressRule = { cidr: Cidr; port: number | null };
/** A service of the platform itself. `host` is a name or a literal; an unspecified address means this whole machine. */
export type HostPort = { host: string; port: number };
/** All addresses of a name as literals; rejects like `dns.lookup` when there are none. */
export type Resolve = (hostname: string) => Promise<string[]>;

export type EgressPolicy = { allow: readonly EgressRule[]; refuse: readonly HostPort[]; resolve: Resolve };

/**
 * Reads `EGRESS_ALLOW_CIDRS`: ranges separated by commas, each with an optional port: `127.0.0.1/32:4390, fd00::/8`.
 * @throws Error naming the entry and what is wrong with it.
 */
export function parseEgressRules(text: string): EgressRule[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map(parseEgressRule);
}

/**
 * The addresses of `url` a step may connect to, resolved once; the caller must connect to these and to nothing else.
 * @throws ActionError EGRESS_REFUSED when none is left. One message for every reason, so that a workflow cannot map the
 * operator's network by comparing messages.
 */
export async function resolveAllowed(url: URL, policy: EgressPolicy): Promise<string[]> {
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  const addresses = isIP(hostname) ? [hostname] : await policy.resolve(hostname);
  const allowed: string[] = [];
  for (const address of addresses) {
    if (!isReachable(address, port, policy.allow)) continue;
    if (!(await isInfrastructure(address, port, policy))) allowed.push(address);
  }
  if (allowed.length > 0) return allowed;
  throw new ActionError(
    'EGRESS_REFUSED',
    `Connections to ${url.host} are not allowed: it is not a public address. The operator can allow a private range with EGRESS_ALLOW_CIDRS; the platform's own services stay closed.`,
  );
}

/** The machine's own resolver, hosts file included. */
export async function resolveWithSystem(hostname: string): Promise<string[]> {
  const found = await lookup(hostname, { all: true });
  return found.map((entry) => entry.address);
}

function parseEgressRule(entry: string): EgressRule {
  const parts = /^([0-9a-f.:]+)\/(\d{1,3})(?::(\d{1,5}))?$/i.exec(entry);
  const [, address = '', bits = '', port] = parts ?? [];
  const family = isIP(address);
  if (family === 0)
    throw ruleError(entry, 'expected <address>/<bits> or <address>/<bits>:<port>, like 10.0.0.0/8:8080');
  const widest = family === 4 ? 32 : 128;
  if (Number(bits) > widest) throw ruleError(entry, `the prefix length must be 0 to ${widest}`);
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))
    throw ruleError(entry, 'the port must be 1 to 65535');
  const cidr = ipaddr.parseCIDR(`${address}/${bits}`);
  const network = networkOf(cidr);
  if (network !== cidr[0].toString())
    throw ruleError(entry, `the range starts at ${network}, write ${network}/${bits}`);
  return { cidr, port: port === undefined ? null : Number(port) };
}

function networkOf(cidr: Cidr): string {
  const range = `${cidr[0].toString()}/${cidr[1]}`;
  const network =
    cidr[0].kind() === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(range) : ipaddr.IPv6.networkAddressFromCIDR(range);
  return network.toString();
}

function ruleError(entry: string, problem: string): Error {
  return new Error(`"${entry}" is not an egress rule: ${problem}`);
}

function isReachable(address: string, port: number, allow: readonly EgressRule[]): boolean {
  if (isPublicAddress(address)) return true;
  return allow.some((rule) => (rule.port === null || rule.port === port) && isInCidr(address, rule.cidr));
}

/** Names of the platform's services are resolved now, because their addresses change; a failing look-up fails the call. */
async function isInfrastructure(address: string, port: number, policy: EgressPolicy): Promise<boolean> {
  for (const own of policy.refuse) {
    if (own.port !== port) continue;
    const ownAddresses = isIP(own.host) ? [own.host] : await resolveOwn(own.host, policy.resolve);
    if (ownAddresses.some((ownAddress) => isSameHost(ownAddress, address))) return true;
  }
  return false;
}

async function resolveOwn(host: string, resolve: Resolve): Promise<string[]> {
  try {
    return await resolve(host);
  } catch {
    // Without the address nothing can be compared. The name itself is the operator's business, not the workflow's.
    throw new ActionError('NETWORK', 'The address could not be checked just now.', { retryable: true });
  }
}
