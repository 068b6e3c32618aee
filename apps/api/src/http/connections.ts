import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/**
 * Lets the program end as soon as its last answer has left. While it closes, connections without a request under way are
 * ended at once, also those that never sent one, and the others with the answer to their request, which says
 * `Connection: close`. Otherwise a client that keeps its connections alive would hold the program for more than a minute.
 */
export function endConnectionsOnClose(app: FastifyInstance): void {
  /** How many requests of each connection have no complete answer yet. */
  const underWay = new Map<Socket, number>();
  let isClosing = false;
  app.server.on('connection', (socket: Socket) => {
    if (isClosing) return void socket.destroy();
    underWay.set(socket, 0);
    socket.once('close', () => underWay.delete(socket));
  });
  // Before the framework's own listener, which may answer at once.
  app.server.prependListener('request', ({ socket }, response) => {
    underWay.set(socket, (underWay.get(socket) ?? 0) + 1);
    response.once('close', () => {
      const left = (underWay.get(socket) ?? 1) - 1;
      if (socket.destroyed) return;
      underWay.set(socket, left);
      // Its answer may have begun before the close, and then did not say that it is the last one.
      if (isClosing && left === 0) socket.end();
    });
  });
  app.addHook('onSend', async (_request, reply) => {
    if (isClosing) reply.header('connection', 'close');
  });
  app.addHook('preClose', async () => {
    isClosing = true;
    for (const [socket, count] of underWay) if (count === 0) socket.destroy();
  });
}
