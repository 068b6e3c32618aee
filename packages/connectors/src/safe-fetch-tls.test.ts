import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:https';
import { getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseEgressRules } from './egress.ts';
import { createSafeFetch } from './safe-fetch.ts';
import { actionErrorOf, countConnections, type TestServer } from './testing.ts';

const NAME = 'secure.example.test';
const trustedBefore = getCACertificates('default');
const certificate = makeCertificate(NAME);
let server: TestServer;

beforeAll(async () => {
  const https = createServer({ key: certificate.key, cert: certificate.pem }, (request, response) => {
    response.end(JSON.stringify({ host: request.headers.host, servername: (request.socket as TLSSocket).servername }));
  });
  server = await countConnections(https, '127.0.0.1', 0);
});
afterAll(async () => {
  setDefaultCACertificates(trustedBefore);
  await server.close();
});

function get(name: string) {
  const http = createSafeFetch({
    allow: parseEgressRules(`127.0.0.1/32:${server.port}`),
    refuse: [],
    resolve: async () => ['127.0.0.1'],
  });
  return http({ method: 'GET', url: `https://${name}:${server.port}/` });
}

test('a certificate nobody vouches for is refused and not worth a retry', async () => {
  const error = await actionErrorOf(get(NAME));
  expect(error).toMatchObject({ code: 'TLS_CERTIFICATE', retryable: false });
});

test('a connection to the checked address still proves the name: SNI, Host and certificate are those of the URL', async () => {
  setDefaultCACertificates([...trustedBefore, certificate.pem]);
  const answer = await get(NAME);
  expect(JSON.parse(new TextDecoder().decode(answer.body))).toEqual({
    host: `${NAME}:${server.port}`,
    servername: NAME,
  });
  const error = await actionErrorOf(get('other.example.test'));
  expect(error).toMatchObject({ code: 'TLS_CERTIFICATE', retryable: false });
});

test('plain HTTP to a TLS port is a network error, not a hang', async () => {
  const http = createSafeFetch({ allow: parseEgressRules(`127.0.0.1/32:${server.port}`), refuse: [] });
  const error = await actionErrorOf(http({ method: 'GET', url: `http://127.0.0.1:${server.port}/`, timeoutMs: 5000 }));
  expect(error).toMatchObject({ code: 'NETWORK', retryable: true });
});

/** A self-signed X.509 certificate, written as DER by hand: a private key in the repository would be reported as a leak. */
function makeCertificate(name: string): { key: string; pem: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ecdsaWithSha256 = der(0x30, Buffer.from('06082a8648ce3d040302', 'hex'));
  const commonName = der(0x30, Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from(name)));
  const subject = der(0x30, der(0x31, commonName));
  const validity = der(0x30, utcTime(-86_400_000), utcTime(86_400_000));
  const altNames = der(0x30, der(0x82, Buffer.from(name)));
  const isAuthority = der(
    0x30,
    Buffer.from('0603551d130101ff', 'hex'),
    der(0x04, der(0x30, Buffer.from('0101ff', 'hex'))),
  );
  const extensions = der(0x30, der(0x30, Buffer.from('0603551d11', 'hex'), der(0x04, altNames)), isAuthority);
  const toBeSigned = der(
    0x30,
    der(0xa0, Buffer.from('020102', 'hex')),
    Buffer.from('020101', 'hex'),
    ecdsaWithSha256,
    subject,
    validity,
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  );
  const signature = der(0x03, Buffer.from([0]), sign('sha256', toBeSigned, privateKey));
  const base64 = der(0x30, toBeSigned, ecdsaWithSha256, signature).toString('base64');
  return {
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    pem: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
  };
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const size = content.length;
  const length = size < 128 ? [size] : [0x82, size >> 8, size & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

function utcTime(offsetMs: number): Buffer {
  const digits = new Date(Date.now() + offsetMs).toISOString().replaceAll(/[-:T]/g, '').slice(2, 14);
  return der(0x17, Buffer.from(`${digits}Z`));
}
