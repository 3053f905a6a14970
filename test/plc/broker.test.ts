import { randomBytes } from 'node:crypto';
import { createServer, type Socket, connect as tcp } from 'node:net';
import type { Worker } from 'node:worker_threads';
import { connect } from 'mqtt';
import { systemClock } from '../../src/clock';
import { EmbeddedBroker } from '../../src/plc/broker';
import type { BrokerMethods } from '../../src/plc/broker_worker';
import { FrameMeter } from '../../src/plc/frame_meter';
import type { WorkerClient } from '../../src/threads';
import { FakeClock } from '../fakes/clock';
import { keptDiagnostics, Listener, never, pause, quiet, soon, until } from './support';

const open: EmbeddedBroker[] = [];
async function started(diagnostics = quiet): Promise<{ broker: EmbeddedBroker; url: string; port: number }> {
  const broker = new EmbeddedBroker({ host: '127.0.0.1', port: 0 }, systemClock, diagnostics);
  open.push(broker);
  const port = await broker.start(never);
  return { broker, port, url: `mqtt://127.0.0.1:${port}` };
}
afterEach(async () => {
  for (const broker of open.splice(0)) await broker.stop(soon());
});

async function raw(port: number): Promise<{ socket: Socket; closed: Promise<void> }> {
  const socket = tcp(port, '127.0.0.1');
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return { socket, closed };
}
const connectPacket = Buffer.from([0x10, 0x0d, 0, 4, ...Buffer.from('MQTT'), 4, 2, 0, 60, 0, 1, 0x61]);

async function serves(url: string): Promise<void> {
  const listener = await Listener.connect(url, 'x');
  await listener.say('y', 'hello');
  await until('an echo', () => listener.of('y').includes('hello'));
  await listener.end();
}

test.each(['0.0.0.0', '::', '192.168.0.7', 'example.org', ''])('host %j is refused: the broker knows no users', (host) => {
  expect(() => new EmbeddedBroker({ host, port: 1883 }, systemClock, quiet)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
});

test('port taken: says which, and what to do; nothing stays behind', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const address = other.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const broker = new EmbeddedBroker({ host: '127.0.0.1', port }, systemClock, quiet);
  const refusal = await broker.start(never).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ name: 'VerdictdError', code: 'BROKER_PORT_TAKEN' });
  expect(String(refusal)).toContain(`127.0.0.1:${port}`);
  expect(String(refusal)).toContain('broker.port');
  await new Promise<void>((resolve) => other.close(() => resolve()));
  open.push(broker);
  expect(await broker.start(never)).toBe(port); // the port free again, it starts
});

test('an aborted start leaves no broker', async () => {
  const broker = new EmbeddedBroker({ host: '127.0.0.1', port: 0 }, systemClock, quiet);
  await expect(broker.start(AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' });
  const controller = new AbortController();
  const starting = broker.start(controller.signal);
  controller.abort();
  await expect(starting).rejects.toMatchObject({ code: 'ABORTED' });
});

test('packets above 64 KB are cut off at their header; other clients notice nothing', async () => {
  const { port, url } = await started();
  const { socket, closed } = await raw(port);
  socket.write(connectPacket);
  await new Promise<void>((resolve) => socket.once('data', () => resolve())); // CONNACK
  socket.write(Buffer.from([0x30, 0xff, 0xff, 0x7f])); // a PUBLISH of 2 MB is announced
  await closed;
  await serves(url);
});

test('200 garbage connections and 2 000 topic levels do not bring it down', async () => {
  const { port, url } = await started();
  for (let i = 0; i < 200; i++) {
    const { socket } = await raw(port);
    socket.end(i % 3 === 0 ? Buffer.concat([connectPacket, randomBytes(64)]) : randomBytes(1 + (i % 64)));
    if (i % 20 === 0) await pause(5);
  }
  const deep = connect(url, { reconnectPeriod: 0 });
  deep.on('error', () => undefined);
  deep.publish('a/'.repeat(2000), 'x');
  await pause(50);
  deep.end(true);
  await serves(url);
});

test('no more than 50 clients at a time; places come free again', async () => {
  const { port, url } = await started();
  const sockets = await Promise.all(Array.from({ length: 60 }, () => raw(port)));
  await Promise.race(sockets.map((one) => one.closed)); // beyond the limit: closed at once
  for (const { socket } of sockets) socket.destroy();
  await serves(url);
});

test('its thread dies: the station lives, the broker comes back on the same port', async () => {
  const { diagnostics, lines } = keptDiagnostics();
  const { broker, url } = await started(diagnostics);
  const listener = await Listener.connect(url, 'x');
  const inner = broker as unknown as { worker: { worker: Worker | null } };
  for (let round = 0; round < 2; round++) {
    const before = inner.worker.worker;
    await before?.terminate();
    await until('a new worker', () => inner.worker.worker !== null && inner.worker.worker !== before);
    await serves(url);
  }
  expect(lines.filter((line) => line.msg.includes('fell'))).toHaveLength(2);
  await listener.end();
});

test('a thread that dies while it is being started again: one more try, and the broker comes back', async () => {
  const clock = new FakeClock();
  const broker = new EmbeddedBroker({ host: '127.0.0.1', port: 0 }, clock, quiet);
  open.push(broker);
  const port = await broker.start(never);
  const { worker } = broker as unknown as { worker: Pick<WorkerClient<BrokerMethods>, 'call' | 'running'> & { worker: Worker | null } };
  const listen = worker.call.bind(worker);
  let tries = 0;
  worker.call = ((name: 'listen', args: { host: string; port: number }) => {
    if (name === 'listen' && ++tries === 1) void worker.worker?.terminate(); // in the middle of its start
    return listen(name, args);
  }) as typeof worker.call;
  await worker.worker?.terminate();
  await until('it is given up for dead', () => !worker.running);
  for (let i = 0; i < 200 && !(tries >= 2 && worker.running); i++) {
    await clock.advance(250);
    await pause(10);
  }
  await serves(`mqtt://127.0.0.1:${port}`);
  await clock.advance(60_000);
  await pause(50);
  await serves(`mqtt://127.0.0.1:${port}`);
});

test('the frame meter follows packets cut anywhere and knows lengths that lie', () => {
  const stream = Buffer.concat([
    connectPacket,
    Buffer.from([0xc0, 0]),
    Buffer.from([0x30, 0x80, 0x01]),
    Buffer.alloc(128),
    Buffer.from([0xe0, 0]),
  ]);
  for (let size = 1; size <= stream.length; size++) {
    const meter = new FrameMeter(128);
    for (let at = 0; at < stream.length; at += size) expect(meter.take(stream.subarray(at, at + size))).toBe(true);
  }
  expect(new FrameMeter(128).take(Buffer.from([0x30, 0x81, 0x01]))).toBe(false);
  expect(new FrameMeter(2 ** 30).take(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x01]))).toBe(false);
});
