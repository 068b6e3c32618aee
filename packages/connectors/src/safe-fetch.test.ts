import { createSocket } from 'node:dgram';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseEgressRules, resolveWithSystem } from './egress.ts';
import { createSafeFetch } from './safe-fetch.ts';
import type { HttpMethod } from './sdk.ts';
import { actionErrorOf, reportFigure, startHttpServer, startSilentServer, type TestServer } from './testing.ts';

/** Every connection that the client sets out to make, also to addresses where nobody could count it (`S1`). */
let attempts = 0;
const countAttempt = () => {
  attempts += 1;
};
beforeAll(() => subscribe('undici:client:beforeConnect', countAttempt));
afterAll(() => unsubscribe('undici:client:beforeConnect', countAttempt));
beforeEach(() => {
  attempts = 0;
});

/** What was refused so far without a connection to it; a test adds to it when all of its assertions held. */
const refused = { forms: new Set<string>(), detours: 0 };

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function serve(...args: Parameters<typeof startHttpServer>): Promise<TestServer> {
  const server = await startHttpServer(...args);
  cleanUps.push(() => server.close());
  return server;
}

/** A client that may reach exactly these loopback ports. */
function clientFor(...servers: TestServer[]) {
  return createSafeFetch({
    allow: parseEgressRules(servers.map((server) => `127.0.0.1/32:${server.port}`).join(',')),
    refuse: [],
  });
}

const textOf = (body: Uint8Array) => new TextDecoder().decode(body);

test('a request that may no longer be sent once its connection stands is not sent', async () => {
  let requests = 0;
  const server = await serve((_request, response) => {
    requests += 1;
    response.end('ok');
  });
  const http = clientFor(server);
  const url = `http://127.0.0.1:${server.port}/`;
  const asked: string[] = [];
  const refusing = http({ method: 'POST', url, body: 'x', maySend: () => asked.push('refused') < 0 });
  expect(await actionErrorOf(refusing)).toMatchObject({ code: 'ABORTED', retryable: false });
  expect([attempts, requests, asked]).toEqual([1, 0, ['refused']]);
  const { status } = await http({ method: 'POST', url, body: 'x', maySend: () => asked.push('allowed') > 0 });
  expect([status, requests]).toEqual([200, 1]);
});

describe('an address inside is refused without any connection', () => {
  let victim: TestServer;
  beforeAll(async () => {
    victim = await startSilentServer('::').catch(() => startSilentServer('0.0.0.0'));
  });
  afterAll(() => victim.close());

  const literals = [
    '127.0.0.1',
    '127.0.0.2',
    '127.255.255.254',
    '127.1',
    '127.0.1',
    '2130706433',
    '0x7f000001',
    '0x7f.0.0.1',
    '0x7F.0x0.0x0.0x1',
    '017700000001',
    '0177.0.0.1',
    '0177.0.0.01',
    '0177.0x0.0.1',
    '127.0.0.1.',
    '１２７.０.０.１',
    '①②⑦.⓪.⓪.①',
    '127。0。0。1',
    '%31%32%37.0.0.1',
    '0',
    '0.0.0.0',
    '0x0',
    '00000000000',
    '10.0.0.1',
    '167772161',
    '012.0.0.1',
    '100.64.0.1',
    '100.100.100.200',
    '168.63.129.16',
    '169.254.169.254',
    '2852039166',
    '0xa9fea9fe',
    '0251.0376.0251.0376',
    '169.254.43518',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.192',
    '192.168.0.1',
    '3232235521',
    '198.18.0.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '[::]',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
    '[0000:0000:0000:0000:0000:0000:0000:0001]',
    '[::127.0.0.1]',
    '[::7f00:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:ffff:127.0.0.1]',
    '[::ffff:169.254.169.254]',
    '[::ffff:a9fe:a9fe]',
    '[::ffff:0:127.0.0.1]',
    '[64:ff9b::127.0.0.1]',
    '[64:ff9b::a9fe:a9fe]',
    '[64:ff9b:1::7f00:1]',
    '[2002:7f00:1::]',
    '[2002:a9fe:a9fe::1]',
    '[2001::7f00:1]',
    '[2001:db8::1]',
    '[3fff::1]',
    '[fc00::1]',
    '[fd00:ec2::254]',
    '[fd20:ce::254]',
    '[fe80::1]',
    '[fec0::1]',
    '[ff02::1]',
    '[100::1]',
  ];
  test.each(literals)('http://%s', async (host) => {
    const http = createSafeFetch({ allow: [], refuse: [] });
    const error = await actionErrorOf(http({ method: 'GET', url: `http://${host}:${victim.port}/` }));
    expect(error).toMatchObject({ code: 'EGRESS_REFUSED', retryable: false });
    expect([victim.connections(), attempts]).toEqual([0, 0]);
    refused.forms.add(host);
  });

  const names: Record<string, string[]> = {
    localhost: ['127.0.0.1', '::1'],
    'localhost.': ['127.0.0.1'],
    'localhost.localdomain': ['127.0.0.1'],
    'ip6-localhost': ['::1'],
    'metadata.google.internal': ['169.254.169.254', 'fd20:ce::254'],
    metadata: ['169.254.169.254'],
    'instance-data.ec2.internal': ['fd00:ec2::254'],
    'kubernetes.default.svc': ['10.96.0.1'],
    'host.docker.internal': ['192.168.65.254'],
    '127.0.0.1.nip.io': ['127.0.0.1'],
    'mapped.example.com': ['::ffff:127.0.0.1'],
    'nat64.example.com': ['64:ff9b::7f00:1'],
    'zero.example.com': ['0.0.0.0', '::'],
  };
  test.each(Object.keys(names))('a name that leads inside: %s', async (host) => {
    const http = createSafeFetch({ allow: [], refuse: [], resolve: async (name) => names[name] ?? [] });
    for (const scheme of ['http', 'https']) {
      const error = await actionErrorOf(http({ method: 'GET', url: `${scheme}://${host}:${victim.port}/` }));
      expect(error).toMatchObject({ code: 'EGRESS_REFUSED', retryable: false });
    }
    expect([victim.connections(), attempts]).toEqual([0, 0]);
    refused.forms.add(host);
  });

  test('localhost as this machine itself resolves it', async () => {
    const http = createSafeFetch({ allow: [], refuse: [] });
    const error = await actionErrorOf(http({ method: 'GET', url: `http://LOCALHOST:${victim.port}/` }));
    expect(error.code).toBe('EGRESS_REFUSED');
    expect(victim.connections()).toBe(0);
  });

  test('a cloud metadata request stays refused whatever headers it carries', async () => {
    const http = createSafeFetch({ allow: [], refuse: [] });
    const headers = { 'metadata-flavor': 'Google', 'x-aws-ec2-metadata-token-ttl-seconds': '60', metadata: 'true' };
    for (const host of ['169.254.169.254', '[fd00:ec2::254]', '[fd20:ce::254]', '100.100.100.200', '168.63.129.16']) {
      const error = await actionErrorOf(http({ method: 'PUT', url: `http://${host}/latest/api/token`, headers }));
      expect(error.code).toBe('EGRESS_REFUSED');
    }
    expect(attempts).toBe(0);
  });

  test('the message tells a person what to do and says nothing about the network inside', async () => {
    const http = createSafeFetch({ allow: [], refuse: [], resolve: async () => ['10.20.30.40'] });
    const error = await actionErrorOf(http({ method: 'GET', url: 'http://db.example.com/path?token=s3cret' }));
    expect(error.message).toContain('EGRESS_ALLOW_CIDRS');
    expect(error.message).toContain('db.example.com');
    expect(error.message).not.toMatch(/10\.20\.30\.40|s3cret|path/);
  });
});

describe('a URL is refused before anything is resolved', () => {
  test.each([
    '',
    'not a url',
    '/relative',
    'ftp://example.com/',
    'file:///etc/passwd',
    'gopher://127.0.0.1:70/',
    'data:text/plain,hi',
    'javascript:alert(1)',
    'unix:/var/run/docker.sock',
    'ws://example.com/',
    'http://',
    'http://example.com:99999/',
    'http://[fe80::1%25eth0]/',
    'http://exa mple.com/',
    'http://user:s3cret@example.com/',
    'http://s3cret@example.com/',
  ])('%s', async (url) => {
    let resolved = 0;
    const http = createSafeFetch({ allow: [], refuse: [], resolve: async () => [`10.0.0.${++resolved}`] });
    const error = await actionErrorOf(http({ method: 'GET', url }));
    expect(error).toMatchObject({ code: 'INVALID_URL', retryable: false });
    expect(error.message).not.toContain('s3cret');
    expect(resolved).toBe(0);
  });
});

describe('name resolution', () => {
  /** A real DNS server on loopback: answers the n-th question for an A record with the n-th address, the last one for ever. */
  async function startDns(...addresses: string[]) {
    const socket = createSocket('udp4');
    let questions = 0;
    socket.on('message', (query, from) => {
      const address = addresses[Math.min(questions, addresses.length - 1)] ?? '';
      questions += 1;
      const question = query.subarray(12, query.indexOf(0, 12) + 5);
      const header = Buffer.from([query[0] ?? 0, query[1] ?? 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
      const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)]);
      socket.send(Buffer.concat([header, question, answer]), from.port, from.address);
    });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    cleanUps.push(() => socket.close());
    const resolver = new Resolver();
    resolver.setServers([`127.0.0.1:${socket.address().port}`]);
    return { questions: () => questions, resolve: (name: string) => resolver.resolve4(name) };
  }

  test('a name that answers a permitted address first and an inner one afterwards never leads inside', async () => {
    const outside = await serve((_request, response) => response.end('outside'), '127.0.0.2');
    const inside = await startSilentServer('127.0.0.1', outside.port);
    cleanUps.push(() => inside.close());
    const dns = await startDns('127.0.0.2', '127.0.0.1');
    const http = createSafeFetch({
      allow: parseEgressRules(`127.0.0.2/32:${outside.port}`),
      refuse: [],
      resolve: dns.resolve,
    });
    const url = `http://rebind.example.com:${outside.port}/`;

    const answer = await http({ method: 'GET', url });
    expect(textOf(answer.body)).toBe('outside');
    expect(dns.questions()).toBe(1);

    expect(await actionErrorOf(http({ method: 'GET', url }))).toMatchObject({ code: 'EGRESS_REFUSED' });
    expect(dns.questions()).toBe(2);
    expect(outside.connections()).toBe(1);
    expect(inside.connections()).toBe(0);
  });

  test('a redirect to the same name is resolved and checked again', async () => {
    const outside = await serve((_request, response) => {
      response.writeHead(302, { location: '/again' }).end();
    }, '127.0.0.2');
    const inside = await startSilentServer('127.0.0.1', outside.port);
    cleanUps.push(() => inside.close());
    const dns = await startDns('127.0.0.2', '127.0.0.1');
    const allow = parseEgressRules(`127.0.0.2/32:${outside.port}`);
    const http = createSafeFetch({ allow, refuse: [], resolve: dns.resolve });
    const error = await actionErrorOf(http({ method: 'GET', url: `http://rebind.example.com:${outside.port}/` }));
    expect(error.code).toBe('EGRESS_REFUSED');
    expect(inside.connections()).toBe(0);
  });

  const inner = [
    '127.0.0.1',
    '127.255.0.1',
    '0.0.0.0',
    '10.0.0.1',
    '169.254.169.254',
    '100.100.100.200',
    '192.168.0.1',
  ];
  test.each(inner)('rebinding to %s gets nowhere, by a second call or by a redirect', async (address) => {
    const outside = await serve((request, response) => {
      if (request.url === '/stay') return response.end('outside');
      return response.writeHead(307, { location: '/stay' }).end();
    }, '127.0.0.2');
    const inside = await startSilentServer('127.0.0.1', outside.port);
    cleanUps.push(() => inside.close());
    const allow = parseEgressRules(`127.0.0.2/32:${outside.port}`);
    const origin = `http://rebind.example.com:${outside.port}`;
    for (const [answers, path, connections] of [
      [['127.0.0.2', address], '/stay', 1],
      [['127.0.0.2', address], '/go', 1],
      [['127.0.0.2', '127.0.0.2', address], '/go', 2],
    ] as const) {
      const before = { attempts, outside: outside.connections() };
      const dns = await startDns(...answers);
      const http = createSafeFetch({ allow, refuse: [], resolve: dns.resolve });
      for (let calls = 0; dns.questions() < answers.length && calls < 4; calls += 1) {
        const outcome = await http({ method: 'GET', url: `${origin}${path}` }).catch((error: unknown) => error);
        if (dns.questions() === answers.length) expect(outcome).toMatchObject({ code: 'EGRESS_REFUSED' });
      }
      expect(dns.questions()).toBe(answers.length);
      // Each connection that was set out for is one that the outer server got.
      expect([attempts - before.attempts, outside.connections() - before.outside]).toEqual([connections, connections]);
      refused.detours += 1;
    }
    expect(inside.connections()).toBe(0);
  });

  test.each(['::1', '::ffff:127.0.0.1', '::127.0.0.1', '64:ff9b::7f00:1', 'fd00:ec2::254', 'fe80::1'])(
    'rebinding to the IPv6 address %s gets nowhere either',
    async (address) => {
      const outside = await serve(
        (_request, response) => response.writeHead(302, { location: '/' }).end(),
        '127.0.0.2',
      );
      const answers = [['127.0.0.2'], [address]];
      const resolve = async () => answers.shift() ?? [address];
      const http = createSafeFetch({ allow: parseEgressRules(`127.0.0.2/32:${outside.port}`), refuse: [], resolve });
      const error = await actionErrorOf(http({ method: 'GET', url: `http://rebind.example.com:${outside.port}/` }));
      expect(error.code).toBe('EGRESS_REFUSED');
      expect([attempts, outside.connections()]).toEqual([1, 1]);
      refused.detours += 1;
    },
  );

  test('of a mixed answer only the permitted address is used', async () => {
    const outside = await serve((_request, response) => response.end('outside'), '127.0.0.2');
    const inside = await startSilentServer('127.0.0.1', outside.port);
    cleanUps.push(() => inside.close());
    const http = createSafeFetch({
      allow: parseEgressRules(`127.0.0.2/32:${outside.port}`),
      refuse: [],
      resolve: async () => ['127.0.0.1', '10.0.0.1', '127.0.0.2'],
    });
    const answer = await http({ method: 'GET', url: `http://mixed.example.com:${outside.port}/` });
    expect(textOf(answer.body)).toBe('outside');
    expect(inside.connections()).toBe(0);
  });

  test('a name that does not exist is a network error worth a retry', async () => {
    const resolve = async () => {
      throw Object.assign(new Error('getaddrinfo ENOTFOUND gone.example.com'), { code: 'ENOTFOUND' });
    };
    const http = createSafeFetch({ allow: [], refuse: [], resolve });
    const error = await actionErrorOf(http({ method: 'GET', url: 'http://gone.example.com/' }));
    expect(error).toMatchObject({ code: 'NETWORK', retryable: true });
    expect(error.message).toContain('gone.example.com');
  });

  test('a resolver that hangs ends with the deadline', async () => {
    const http = createSafeFetch({ allow: [], refuse: [], resolve: () => new Promise(() => {}) });
    const error = await actionErrorOf(http({ method: 'GET', url: 'http://slow.example.com/', timeoutMs: 50 }));
    expect(error).toMatchObject({ code: 'TIMEOUT', retryable: true });
  });
});

describe('allowed ranges', () => {
  test('a rule with a port opens that port only', async () => {
    const open = await serve((_request, response) => response.end('open'));
    const closed = await serve((_request, response) => response.end('closed'));
    const http = clientFor(open);
    expect((await http({ method: 'GET', url: `http://127.0.0.1:${open.port}/` })).status).toBe(200);
    expect((await http({ method: 'GET', url: `http://localhost:${open.port}/` })).status).toBe(200);
    const error = await actionErrorOf(http({ method: 'GET', url: `http://127.0.0.1:${closed.port}/` }));
    expect(error.code).toBe('EGRESS_REFUSED');
    expect(closed.connections()).toBe(0);
  });

  test('a rule without a port opens every port of its range and nothing beside it', async () => {
    const server = await serve((_request, response) => response.end('ok'), '0.0.0.0');
    const http = createSafeFetch({ allow: parseEgressRules('127.0.0.2/31'), refuse: [] });
    expect((await http({ method: 'GET', url: `http://127.0.0.3:${server.port}/` })).status).toBe(200);
    const error = await actionErrorOf(http({ method: 'GET', url: `http://127.0.0.4:${server.port}/` }));
    expect(error.code).toBe('EGRESS_REFUSED');
    expect(server.connections()).toBe(1);
  });

  test.each([
    '127.0.0.1',
    '127.0.0.2',
    'localhost',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::127.0.0.1]',
    '[64:ff9b::127.0.0.1]',
  ])('the platform itself stays refused when a range allows it: %s', async (host) => {
    const platform = await serve((_request, response) => response.end('platform'), '0.0.0.0');
    for (const own of ['localhost', '127.0.0.1', '0.0.0.0', '::']) {
      const refuse = [{ host: own, port: platform.port }];
      const http = createSafeFetch({ allow: parseEgressRules('0.0.0.0/0, ::/0'), refuse });
      const error = await actionErrorOf(http({ method: 'GET', url: `http://${host}:${platform.port}/` }));
      expect(error).toMatchObject({ code: 'EGRESS_REFUSED', retryable: false });
    }
    expect(platform.connections()).toBe(0);
  });

  test('the platform is recognised behind another name, and its neighbours stay reachable', async () => {
    const platform = await serve((_request, response) => response.end('platform'));
    const neighbour = await serve((_request, response) => response.end('neighbour'));
    const names: Record<string, string[]> = {
      'postgres.internal': ['127.0.0.1'],
      'innocent.example.com': ['127.0.0.1'],
    };
    const http = createSafeFetch({
      allow: parseEgressRules('127.0.0.0/8'),
      refuse: [{ host: 'postgres.internal', port: platform.port }],
      resolve: async (name) => names[name] ?? [],
    });
    const error = await actionErrorOf(http({ method: 'GET', url: `http://innocent.example.com:${platform.port}/` }));
    expect(error.code).toBe('EGRESS_REFUSED');
    const answer = await http({ method: 'GET', url: `http://innocent.example.com:${neighbour.port}/` });
    expect(textOf(answer.body)).toBe('neighbour');
    expect(platform.connections()).toBe(0);
  });

  test('a platform name that cannot be resolved fails the call instead of opening it', async () => {
    const server = await serve((_request, response) => response.end('ok'));
    const http = createSafeFetch({
      allow: parseEgressRules('127.0.0.0/8'),
      refuse: [{ host: 'postgres.internal', port: server.port }],
      resolve: async () => {
        throw new Error('resolver down for postgres.internal');
      },
    });
    const error = await actionErrorOf(http({ method: 'GET', url: `http://127.0.0.1:${server.port}/` }));
    expect(error).toMatchObject({ code: 'NETWORK', retryable: true });
    expect(error.message).not.toContain('postgres');
    expect(server.connections()).toBe(0);
  });
});

describe('redirects', () => {
  type Seen = { method: string; url: string; headers: IncomingHttpHeaders; body: string };
  async function serveSeen(route: (seen: Seen) => { status: number; location?: string }) {
    const seen: Seen[] = [];
    const server = await serve(async (request, response) => {
      const chunks = await request.toArray();
      const one = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      };
      seen.push(one);
      const { status, location } = route(one);
      response.writeHead(status, location === undefined ? {} : { location }).end('done');
    });
    return { ...server, seen };
  }

  test.each([
    'http://127.0.0.1:PORT/',
    'http://localhost:PORT/',
    '//127.0.0.1:PORT/',
    'http://2130706433:PORT/',
    'http://[::ffff:127.0.0.1]:PORT/',
    'http://0:PORT/',
    'http://169.254.169.254/latest/meta-data/',
    'https://127.0.0.1:PORT/',
    'http://127.1:PORT/',
    'http://0x7f000001:PORT/',
    'http://[::1]:PORT/',
    'http://[64:ff9b::127.0.0.1]:PORT/',
    'http://[fd00:ec2::254]/latest/meta-data/',
    'http://100.100.100.200/latest/meta-data/',
    'http:\\\\127.0.0.1:PORT/',
    '\thttp://127.0.0.2:PORT/',
  ])('to an address inside are refused: %s', async (target) => {
    const victim = await startSilentServer('0.0.0.0');
    cleanUps.push(() => victim.close());
    const outer = await serveSeen(({ url }) =>
      url === '/1'
        ? { status: 301, location: '/2' }
        : { status: 307, location: target.replace('PORT', `${victim.port}`) },
    );
    const error = await actionErrorOf(clientFor(outer)({ method: 'GET', url: `http://127.0.0.1:${outer.port}/1` }));
    expect(error).toMatchObject({ code: 'EGRESS_REFUSED', retryable: false });
    expect(outer.seen.map((one) => one.url)).toEqual(['/1', '/2']);
    expect([victim.connections(), attempts]).toEqual([0, 2]);
    refused.detours += 1;
  });

  test.each([301, 302, 303, 307, 308])(
    'to a name that leads inside are refused at each length of the chain: %d',
    async (status) => {
      const victim = await startSilentServer('127.0.0.1');
      cleanUps.push(() => victim.close());
      for (const length of [1, 2, 3, 4, 5]) {
        const outer = await serveSeen(({ url }) => {
          const left = Number(url.slice(1));
          return { status, location: left > 1 ? `/${left - 1}` : `http://inside.example.com:${victim.port}/` };
        });
        const before = attempts;
        const http = createSafeFetch({
          allow: parseEgressRules(`127.0.0.1/32:${outer.port}`),
          refuse: [],
          resolve: async () => ['127.0.0.1'],
        });
        const error = await actionErrorOf(http({ method: 'POST', url: `http://127.0.0.1:${outer.port}/${length}` }));
        expect(error.code).toBe('EGRESS_REFUSED');
        expect([attempts - before, outer.connections(), victim.connections()]).toEqual([length, length, 0]);
        refused.detours += 1;
      }
    },
  );

  test.each(['file:///etc/passwd', 'ftp://127.0.0.1/', 'http://user:s3cret@127.0.0.1/', 'http://[bad/'])(
    'to a URL that could not be called directly are refused: %s',
    async (location) => {
      const server = await serveSeen(() => ({ status: 302, location }));
      const error = await actionErrorOf(clientFor(server)({ method: 'GET', url: `http://127.0.0.1:${server.port}/` }));
      expect(error.code).toBe('INVALID_URL');
      expect(error.message).not.toContain('s3cret');
    },
  );

  test('are followed five times and not a sixth time', async () => {
    const server = await serveSeen(({ url }) => {
      const left = Number(url.slice(1));
      return left === 0 ? { status: 200 } : { status: 302, location: `/${left - 1}` };
    });
    const http = clientFor(server);
    expect((await http({ method: 'GET', url: `http://127.0.0.1:${server.port}/5` })).status).toBe(200);
    expect(server.seen).toHaveLength(6);
    const error = await actionErrorOf(http({ method: 'GET', url: `http://127.0.0.1:${server.port}/6` }));
    expect(error).toMatchObject({ code: 'TOO_MANY_REDIRECTS', retryable: false });
    expect(server.seen).toHaveLength(12);
  });

  test('are not followed at all by a client that allows none', async () => {
    const server = await serveSeen(({ url }) => (url === '/' ? { status: 302, location: '/next' } : { status: 200 }));
    const allow = parseEgressRules(`127.0.0.1/32:${server.port}`);
    const http = createSafeFetch({ allow, refuse: [], maxRedirects: 0 });
    const error = await actionErrorOf(http({ method: 'POST', url: `http://127.0.0.1:${server.port}/` }));
    expect(error).toMatchObject({ code: 'TOO_MANY_REDIRECTS', retryable: false });
    expect(server.seen).toHaveLength(1);
  });

  const secrets = {
    authorization: 'Bearer s3cret',
    cookie: 'sid=s3cret',
    'x-api-key': 's3cret',
    'x-anything-else': 's3cret',
    'content-type': 'application/json',
    accept: 'application/json',
    'idempotency-key': 'run:step',
  };
  test('to another origin lose every header that may be a credential', async () => {
    const second = await serveSeen(() => ({ status: 200 }));
    const first = await serveSeen(() => ({ status: 307, location: `http://127.0.0.1:${second.port}/b` }));
    const http = clientFor(first, second);
    await http({ method: 'POST', url: `http://127.0.0.1:${first.port}/a`, headers: secrets, body: '{"a":1}' });
    expect(first.seen[0]?.headers).toMatchObject(secrets);
    expect(JSON.stringify(second.seen)).not.toContain('s3cret');
    expect(second.seen[0]).toMatchObject({
      method: 'POST',
      body: '{"a":1}',
      headers: { accept: 'application/json', 'content-type': 'application/json', 'idempotency-key': 'run:step' },
    });
  });

  test('to another origin and back do not bring the credentials back', async () => {
    const back: { url: string } = { url: '' };
    const second = await serveSeen(() => ({ status: 307, location: back.url }));
    const first = await serveSeen(({ url }) =>
      url === '/a' ? { status: 307, location: `http://127.0.0.1:${second.port}/b` } : { status: 200 },
    );
    back.url = `http://127.0.0.1:${first.port}/c`;
    const http = clientFor(first, second);
    await http({ method: 'GET', url: `http://127.0.0.1:${first.port}/a`, headers: secrets });
    expect(first.seen.map((one) => one.headers.authorization)).toEqual(['Bearer s3cret', undefined]);
  });

  test('within one origin keep the credentials', async () => {
    const server = await serveSeen(({ url }) => (url === '/a' ? { status: 302, location: 'b?x=1' } : { status: 200 }));
    await clientFor(server)({ method: 'GET', url: `http://127.0.0.1:${server.port}/a`, headers: secrets });
    expect(server.seen[1]).toMatchObject({ url: '/b?x=1', headers: { authorization: 'Bearer s3cret' } });
  });

  test.each<[HttpMethod, number, string, string]>([
    ['POST', 301, 'GET', ''],
    ['POST', 302, 'GET', ''],
    ['POST', 303, 'GET', ''],
    ['POST', 307, 'POST', 'data'],
    ['POST', 308, 'POST', 'data'],
    ['PUT', 301, 'PUT', 'data'],
    ['PUT', 302, 'PUT', 'data'],
    ['PUT', 303, 'GET', ''],
    ['PUT', 307, 'PUT', 'data'],
    ['DELETE', 303, 'GET', ''],
    ['PATCH', 308, 'PATCH', 'data'],
  ])('%s answered %d goes on as %s', async (method, status, nextMethod, nextBody) => {
    const server = await serveSeen(({ url }) => (url === '/a' ? { status, location: '/b' } : { status: 200 }));
    const headers = { 'content-type': 'text/plain' };
    await clientFor(server)({ method, url: `http://127.0.0.1:${server.port}/a`, headers, body: 'data' });
    expect(server.seen[1]).toMatchObject({ method: nextMethod, body: nextBody });
    expect(server.seen[1]?.headers['content-type']).toBe(nextBody === '' ? undefined : 'text/plain');
  });

  test.each<[HttpMethod, number]>([
    ['HEAD', 303],
    ['GET', 301],
  ])('%s answered %d keeps its method', async (method, status) => {
    const server = await serveSeen(({ url }) => (url === '/a' ? { status, location: '/b' } : { status: 200 }));
    await clientFor(server)({ method, url: `http://127.0.0.1:${server.port}/a` });
    expect(server.seen[1]?.method).toBe(method);
  });

  test('a redirect status without a location is an answer', async () => {
    const server = await serveSeen(() => ({ status: 302 }));
    expect((await clientFor(server)({ method: 'GET', url: `http://127.0.0.1:${server.port}/` })).status).toBe(302);
  });
});

describe('the body of an answer', () => {
  const MIB = 1024 * 1024;
  const bodyServer = (headers: Record<string, string>, body: Uint8Array) =>
    serve((_request, response) => void response.writeHead(200, headers).end(body));
  const get = (server: TestServer) => clientFor(server)({ method: 'GET', url: `http://127.0.0.1:${server.port}/` });

  test.each([
    ['gzip', gzipSync('hello')],
    ['GZIP', gzipSync('hello')],
    ['x-gzip', gzipSync('hello')],
    ['deflate', deflateSync('hello')],
    ['deflate', deflateRawSync('hello')],
    ['br', brotliCompressSync('hello')],
    ['gzip, br', brotliCompressSync(gzipSync('hello'))],
    ['identity', Buffer.from('hello')],
  ])('is decompressed: %s', async (encoding, body) => {
    const server = await bodyServer({ 'content-encoding': encoding }, body);
    expect(textOf((await get(server)).body)).toBe('hello');
  });

  const zeros = Buffer.alloc(200 * MIB);
  const gzipBomb = gzipSync(zeros);
  test.each([
    ['gzip', gzipBomb],
    ['deflate', deflateSync(zeros)],
    ['br', brotliCompressSync(zeros, { params: { 1: 4 } })],
    ['gzip, gzip', gzipSync(gzipBomb)],
  ])('that unpacks to 200 MiB is refused, and memory stays bounded: %s', async (encoding, bomb) => {
    const server = await bodyServer({ 'content-encoding': encoding }, bomb);
    const before = process.memoryUsage().rss;
    expect(await actionErrorOf(get(server))).toMatchObject({ code: 'RESPONSE_TOO_LARGE', retryable: false });
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * MIB);
  });

  test('of 10 MiB is read, one byte more is refused, announced or not', async () => {
    const full = await bodyServer({}, Buffer.alloc(10 * MIB));
    expect((await get(full)).body).toHaveLength(10 * MIB);
    const announced = await bodyServer({ 'content-length': `${10 * MIB + 1}` }, Buffer.alloc(10 * MIB + 1));
    expect((await actionErrorOf(get(announced))).code).toBe('RESPONSE_TOO_LARGE');
    const chunked = await bodyServer({ 'transfer-encoding': 'chunked' }, Buffer.alloc(10 * MIB + 1));
    expect((await actionErrorOf(get(chunked))).code).toBe('RESPONSE_TOO_LARGE');
  });

  test('that nobody wants is not read: the answer is there at once and the connection ends', async () => {
    let written = 0;
    let hasEnded = false;
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'x-kept': 'yes' });
      const fill = () => {
        do written += 64 * 1024;
        while (response.write(Buffer.alloc(64 * 1024)));
      };
      response.on('drain', fill).on('close', () => {
        hasEnded = true;
      });
      fill();
    });
    const url = `http://127.0.0.1:${server.port}/`;
    const { status, headers, body } = await clientFor(server)({ method: 'POST', url, discardBody: true });
    expect([status, headers['x-kept'], body.length]).toEqual([200, 'yes', 0]);
    await expect.poll(() => hasEnded).toBe(true);
    expect(written).toBeLessThan(10 * MIB);
  });

  test('without end is cut off at the limit', async () => {
    const server = await serve((_request, response) => {
      const write = () => {
        while (!response.destroyed && response.write(Buffer.alloc(MIB)));
      };
      response.on('drain', write);
      write();
    });
    expect((await actionErrorOf(get(server))).code).toBe('RESPONSE_TOO_LARGE');
  });

  test.each([
    ['gzip', Buffer.from('not gzip at all')],
    ['gzip', gzipSync('hello world').subarray(0, 15)],
    ['zstd', Buffer.from('whatever')],
    ['gzip, gzip, gzip', gzipSync(gzipSync(gzipSync('hello')))],
  ])('in an encoding that cannot be undone is an invalid answer: %s', async (encoding, body) => {
    const server = await bodyServer({ 'content-encoding': encoding }, body);
    expect(await actionErrorOf(get(server))).toMatchObject({ code: 'RESPONSE_INVALID', retryable: false });
  });

  test('of a HEAD request is empty, however large it is announced', async () => {
    const server = await bodyServer({ 'content-encoding': 'gzip', 'content-length': '99999999' }, Buffer.alloc(0));
    const answer = await clientFor(server)({ method: 'HEAD', url: `http://127.0.0.1:${server.port}/` });
    expect(answer).toMatchObject({ status: 200, headers: { 'content-length': '99999999' } });
    expect(answer.body).toHaveLength(0);
  });

  test('that breaks off is a network error worth a retry', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half', () => response.destroy());
    });
    expect(await actionErrorOf(get(server))).toMatchObject({ code: 'NETWORK', retryable: true });
  });

  test('comes with lower-case headers, cookies as a list, and no way to reach a prototype', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(
        200,
        [
          ['Set-Cookie', 'a=1'],
          ['Set-Cookie', 'b=2'],
          ['X-Many', '1'],
          ['X-Many', '2'],
          ['__proto__', 'polluted'],
        ].flat(),
      );
      response.end();
    });
    const { headers } = await get(server);
    expect(headers).toMatchObject({ 'set-cookie': ['a=1', 'b=2'], 'x-many': '1, 2' });
    expect(Object.getPrototypeOf(headers)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test('headers without end are refused', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'x-large': 'x'.repeat(64 * 1024) }).end();
    });
    expect((await actionErrorOf(get(server))).code).toBe('RESPONSE_TOO_LARGE');
  });
});

describe('time', () => {
  test('a server that never answers ends with the deadline', async () => {
    const server = await startSilentServer();
    cleanUps.push(() => server.close());
    const error = await actionErrorOf(
      clientFor(server)({ method: 'GET', url: `http://127.0.0.1:${server.port}/`, timeoutMs: 100 }),
    );
    expect(error).toMatchObject({ code: 'TIMEOUT', retryable: true });
    expect(error.message).toContain('100 ms');
    expect(server.connections()).toBe(1);
  });

  test('a body that trickles ends with the deadline, and the connection is closed', async () => {
    const closed = Promise.withResolvers<void>();
    const server = await serve((_request, response) => {
      const timer = setInterval(() => response.write('.'), 10);
      response.on('close', () => {
        clearInterval(timer);
        closed.resolve();
      });
    });
    const error = await actionErrorOf(
      clientFor(server)({ method: 'GET', url: `http://127.0.0.1:${server.port}/`, timeoutMs: 200 }),
    );
    expect(error.code).toBe('TIMEOUT');
    await closed.promise;
  });

  test('one deadline covers all redirects', async () => {
    const server = await serve((_request, response) => {
      setTimeout(() => response.writeHead(302, { location: '/next' }).end(), 80);
    });
    const error = await actionErrorOf(
      clientFor(server)({ method: 'GET', url: `http://127.0.0.1:${server.port}/`, timeoutMs: 200 }),
    );
    expect(error.code).toBe('TIMEOUT');
  });

  test('an abort in the middle of a request ends it and its connection', async () => {
    const arrived = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    const server = await serve((request) => {
      request.socket.on('close', () => closed.resolve());
      arrived.resolve();
    });
    const stop = new AbortController();
    const work = clientFor(server)({ method: 'GET', url: `http://127.0.0.1:${server.port}/`, signal: stop.signal });
    const failure = actionErrorOf(work);
    await arrived.promise;
    stop.abort();
    expect(await failure).toMatchObject({ code: 'ABORTED', retryable: false });
    await closed.promise;
  });

  test('a connection ends with its exchange, so that no later call inherits it', async () => {
    const closed = Promise.withResolvers<number>();
    const server = await serve((request, response) => {
      request.socket.on('close', () => closed.resolve(performance.now()));
      response.end('done');
    });
    const http = clientFor(server);
    await http({ method: 'GET', url: `http://127.0.0.1:${server.port}/` });
    const answered = performance.now();
    // Well under the four seconds an idle connection would be kept.
    expect((await closed.promise) - answered).toBeLessThan(2000);
    await http({ method: 'GET', url: `http://127.0.0.1:${server.port}/` });
    expect(server.connections()).toBe(2);
  });

  test('an abort before the request means no connection', async () => {
    const server = await serve((_request, response) => response.end());
    const error = await actionErrorOf(
      clientFor(server)({ method: 'GET', url: `http://127.0.0.1:${server.port}/`, signal: AbortSignal.abort() }),
    );
    expect(error.code).toBe('ABORTED');
    expect(server.connections()).toBe(0);
  });

  test('a closed port is a network error worth a retry', async () => {
    const server = await startSilentServer();
    await server.close();
    const error = await actionErrorOf(clientFor(server)({ method: 'GET', url: `http://127.0.0.1:${server.port}/` }));
    expect(error).toMatchObject({ code: 'NETWORK', retryable: true });
    expect(error.message).toContain('ECONNREFUSED');
  });
});

describe('what is sent', () => {
  test.each([
    ['host', 'inside'],
    ['Content-Length', '0'],
    ['Transfer-Encoding', 'chunked'],
    ['connection', 'upgrade'],
    ['upgrade', 'websocket'],
    ['expect', '100-continue'],
    ['te', 'trailers'],
    ['trailer', 'x'],
    ['keep-alive', 'timeout=5'],
    ['proxy-authorization', 's3cret'],
    ['x-a', 's3cret\r\nx-b: 1'],
    ['x-a', 's3cret\nx-b: 1'],
    ['x-a', 's3cret\0'],
    ['x-a', 's3cret\u{1f600}'],
    ['x a', '1'],
    ['x-a:', '1'],
    ['x-a\r\nx-b', '1'],
    ['', '1'],
  ])('never carries a header that changes the exchange itself: %j', async (name, value) => {
    const server = await serve((_request, response) => response.end());
    const request = { method: 'GET', url: `http://127.0.0.1:${server.port}/`, headers: { [name]: value } } as const;
    const error = await actionErrorOf(clientFor(server)(request));
    expect(error).toMatchObject({ code: 'INPUT_INVALID', retryable: false });
    expect(error.message).not.toContain('s3cret');
    expect(server.connections()).toBe(0);
  });

  test('a header given twice in different case is refused', async () => {
    const http = createSafeFetch({ allow: [], refuse: [] });
    const headers = { 'X-A': '1', 'x-a': '2' };
    expect((await actionErrorOf(http({ method: 'GET', url: 'http://example.com/', headers }))).code).toBe(
      'INPUT_INVALID',
    );
  });

  test('ignores the proxies of the environment', async () => {
    const proxy = await startSilentServer();
    cleanUps.push(() => proxy.close());
    const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'];
    for (const name of names) {
      const before = process.env[name];
      process.env[name] = `http://127.0.0.1:${proxy.port}`;
      cleanUps.push(() => {
        if (before === undefined) delete process.env[name];
        else process.env[name] = before;
      });
    }
    const server = await serve((_request, response) => response.end('direct'));
    const answer = await clientFor(server)({ method: 'GET', url: `http://127.0.0.1:${server.port}/` });
    expect(textOf(answer.body)).toBe('direct');
    expect(proxy.connections()).toBe(0);
  });

  test('uses the name for Host and the checked address for the connection', async () => {
    const server = await serve((request, response) => response.end(request.headers.host));
    const resolve = async (name: string) => (name === 'api.example.com' ? ['127.0.0.1'] : resolveWithSystem(name));
    const allow = parseEgressRules(`127.0.0.1/32:${server.port}`);
    const http = createSafeFetch({ allow, refuse: [], resolve });
    const answer = await http({ method: 'GET', url: `http://api.example.com:${server.port}/` });
    expect(textOf(answer.body)).toBe(`api.example.com:${server.port}`);
  });
});

test('S1: every form, redirect and rebinding of this file was refused without one connection', () => {
  const { forms, detours } = refused;
  expect(forms.size).toBeGreaterThanOrEqual(80);
  expect(detours).toBeGreaterThanOrEqual(65);
  reportFigure('SSRF', `${forms.size} address forms, ${detours} redirects and rebindings: 0 connections`);
});
