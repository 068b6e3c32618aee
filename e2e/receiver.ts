import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the calls of a test's steps reach. */
export interface Receiver {
  url: string;
  /** The setting that lets workers call it. */
  egress: string;
  /** Lets calls of `/held` go that wait, and answers later ones at once. */
  release(): void;
  close(): void;
}

/** `/fast` answers soon, `/held` once it is released, `/broken` with a 503, `/file` with a file. */
export async function startReceiver(): Promise<Receiver> {
  const held: ServerResponse[] = [];
  let isReleased = false;
  const answer = (response: ServerResponse) =>
    response.setHeader('content-type', 'application/json').end('{"ok":true}');
  const server = createServer((request, response) => {
    if (request.url === '/fast') setTimeout(answer, 40, response);
    else if (request.url === '/file') sendFile(response);
    else if (request.url === '/broken') response.writeHead(503).end();
    else if (isReleased) answer(response);
    else held.push(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    egress: `127.0.0.1/32:${port}`,
    release() {
      isReleased = true;
      for (const response of held.splice(0)) answer(response);
    },
    close: () => server.close(),
  };
}

function sendFile(response: ServerResponse): void {
  response.writeHead(200, {
    'content-type': 'text/plain',
    'content-disposition': 'attachment; filename="report.txt"',
  });
  response.end('The whole report.');
}
