/**
 * The embedded broker's thread: aedes on a loopback port, for the demo. It knows no users, so it listens nowhere else, keeps no
 * sessions and bounds what one client may cost. MQTT 3.1.1 only.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Aedes } from 'aedes';
import { serve } from '../threads';
import { FrameMeter } from './frame_meter';

const limits = {
  clients: 50,
  packetBytes: 64 * 1024,
  queuedBeforeConnect: 100, // packets
  connect: 5_000, // ms until CONNECT
  drain: 10_000, // ms a client may leave its socket full
  topicLevels: 10,
} as const;

let broker: Aedes | null = null;
let server: Server | null = null;

/** Cuts a client off at the header of a packet above the limit, before the parser collects its bytes. */
function bounded(socket: Socket): Socket {
  const meter = new FrameMeter(limits.packetBytes);
  const read = socket.read.bind(socket);
  socket.read = (size?: number): unknown => {
    const chunk: unknown = read(size);
    if (!Buffer.isBuffer(chunk) || meter.take(chunk)) return chunk;
    socket.destroy();
    return null;
  };
  return socket;
}

const methods = {
  /** Listens; the port found (0: any). Rejects with the system's code (EADDRINUSE ...). */
  async listen({ host, port }: { host: string; port: number }): Promise<number> {
    // aedes is an ES module: a dynamic import is the one way from CommonJS that Node 20 has.
    const { Aedes } = await import('aedes');
    const aedes = await Aedes.createBroker({
      queueLimit: limits.queuedBeforeConnect,
      connectTimeout: limits.connect,
      drainTimeout: limits.drain,
      maxTopicLevels: limits.topicLevels,
      preConnect: (_client, packet, done) => {
        packet.clean = true; // no sessions: a queue for an absent subscriber would grow in memory for ever
        done(null, true);
      },
    });
    const listener = createServer({ noDelay: true }, (socket) => aedes.handle(bounded(socket)));
    listener.maxConnections = limits.clients;
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen({ host, port }, resolve);
    });
    broker = aedes;
    server = listener;
    const address = listener.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  },

  async close(): Promise<void> {
    server?.close();
    const aedes = broker;
    if (aedes !== null) await new Promise<void>((resolve) => aedes.close(() => resolve()));
    broker = null;
    server = null;
  },
};

export type BrokerMethods = typeof methods;

serve(methods);
