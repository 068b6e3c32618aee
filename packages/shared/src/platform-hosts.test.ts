import { expect, test } from 'vitest';
import { platformHosts } from './platform-hosts.ts';

const settings = {
  API_HOST: '10.0.0.5',
  API_PORT: 3001,
  WEB_PORT: 3000,
  METRICS_HOST: '10.0.0.6',
  REDIS_URL: 'redis://:secret@[::1]:6380/2',
};
const databaseUrl = 'postgres://app_worker:secret@db.internal/millrace';

test('API, web app, PostgreSQL and Redis are refused, with their default ports', () => {
  expect(platformHosts(settings, databaseUrl)).toEqual([
    { host: '10.0.0.5', port: 3001 },
    { host: '127.0.0.1', port: 3001 },
    { host: '127.0.0.1', port: 3000 },
    { host: 'db.internal', port: 5432 },
    { host: '::1', port: 6380 },
  ]);
});

test('where metrics are served is refused as well, on this machine too', () => {
  const hosts = platformHosts({ ...settings, API_METRICS_PORT: 9464, WORKER_METRICS_PORT: 9465 }, databaseUrl);
  for (const host of ['10.0.0.6', '127.0.0.1'])
    for (const port of [9464, 9465]) expect(hosts).toContainEqual({ host, port });
});

test('the collector of traces is refused', () => {
  const hosts = platformHosts({ ...settings, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://10.0.0.7:4318' }, databaseUrl);
  expect(hosts).toContainEqual({ host: '10.0.0.7', port: 4318 });
});

test('a host given as a parameter of the URL counts, as it does for the driver', () => {
  const url = 'postgres://app_worker@ignored/millrace?host=192.168.1.9&port=5499';
  expect(platformHosts(settings, url)).toContainEqual({ host: '192.168.1.9', port: 5499 });
});

test('sockets in the file system and ports that are chosen later are left out', () => {
  const url = 'postgres:///millrace?host=/var/run/postgresql';
  const hosts = platformHosts({ ...settings, API_PORT: 0 }, url);
  expect(hosts).toEqual([
    { host: '127.0.0.1', port: 3000 },
    { host: '::1', port: 6380 },
  ]);
});
