// Stands in for a broker that lets nobody in: answers each CONNECT with CONNACK 5, "not authorized" (MQTT 3.1.1, 3.2.2.3).
import { createServer } from 'node:net';

const notAuthorized = Buffer.from([0x20, 2, 0, 5]);

/** Refuses on `port` of this machine until `end()`. */
export async function startRefuser(port) {
  const sockets = new Set();
  let refused = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
    socket.once('data', () => {
      refused++;
      socket.end(notAuthorized);
    });
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    refused: () => refused,
    async end() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
