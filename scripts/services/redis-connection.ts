import { connect } from 'node:net';

const TIMEOUT_MS = 2_000;

/**
 * Sends one command to the Redis on 127.0.0.1 after authenticating, and gives the raw reply of that command. For waiting
 * until a server is ready, before any client library is needed. Throws on refusal, error replies and silence.
 */
export function askRedis(port: number, password: string, command: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let received = '';
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no answer')));
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.write(encode(['AUTH', password]) + encode(command)));
    socket.on('data', (chunk: string) => {
      received += chunk;
      const [authentication, ...reply] = received.split('\r\n');
      const isComplete = reply.length > 1;
      const failure = [authentication, reply[0]].find((line) => line?.startsWith('-'));
      if (failure !== undefined) socket.destroy(new Error(failure.slice(1)));
      else if (isComplete) {
        resolve(reply.join('\r\n'));
        socket.destroy();
      }
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the connection was closed')));
  });
}

function encode(words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}
