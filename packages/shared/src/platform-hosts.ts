import type { WorkerConfig } from './config.ts';

/** A service by name or address. */
interface PlatformHost {
  host: string;
  port: number;
}

type Addresses = Pick<
  WorkerConfig,
  | 'API_HOST'
  | 'API_PORT'
  | 'WEB_PORT'
  | 'REDIS_URL'
  | 'METRICS_HOST'
  | 'OTEL_EXPORTER_OTLP_ENDPOINT'
  | 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'
  | 'API_METRICS_PORT'
  | 'WORKER_METRICS_PORT'
>;

const POSTGRES_PORT = 5432;
const REDIS_PORT = 6379;

/**
 * Where the platform itself and the collector of its traces listen, as far as a program's settings tell: no step and no notice may connect there, whatever
 * EGRESS_ALLOW_CIDRS says. API, web app and metrics are refused on this machine too, because a public host often answers on
 * loopback as well. Sockets in the file system and port 0 are left out: no request can name them.
 */
export function platformHosts(config: Addresses, databaseUrl: string): PlatformHost[] {
  const hosts = [
    { host: config.API_HOST, port: config.API_PORT },
    { host: '127.0.0.1', port: config.API_PORT },
    { host: '127.0.0.1', port: config.WEB_PORT },
    ...[config.API_METRICS_PORT, config.WORKER_METRICS_PORT].flatMap((port = 0) => [
      { host: config.METRICS_HOST, port },
      { host: '127.0.0.1', port },
    ]),
    ...[config.OTEL_EXPORTER_OTLP_ENDPOINT, config.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT].flatMap((url) =>
      url === undefined ? [] : readUrl(url, url.startsWith('https:') ? 443 : 80),
    ),
    ...readUrl(databaseUrl, POSTGRES_PORT),
    ...readUrl(config.REDIS_URL, REDIS_PORT),
  ];
  return hosts.filter(({ host, port }) => port > 0 && host !== '' && !host.startsWith('/'));
}

/** Drivers take `?host=` and `?port=` before what the URL itself says. */
function readUrl(text: string, defaultPort: number): PlatformHost[] {
  const url = new URL(text);
  const host = decodeURIComponent(url.searchParams.get('host') ?? url.hostname);
  const port = Number(url.searchParams.get('port') ?? url.port) || defaultPort;
  return [{ host: host.replace(/^\[|\]$/g, '') || 'localhost', port }];
}
