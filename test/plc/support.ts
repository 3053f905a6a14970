import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { Writable } from 'node:stream';
import { connect, type IPublishPacket, type MqttClient } from 'mqtt';
import pino from 'pino';
import { systemClock } from '../../src/clock';
import { Code, Evaluation, ResultState } from '../../src/codes';
import type { Diagnostics } from '../../src/diagnostics';
import { EmbeddedBroker } from '../../src/plc/broker';
import { type LinkDeps, type LinkOptions, MqttLink } from '../../src/plc/link';
import type { Committed, Entry, Part, StationState, Verdict } from '../../src/ports';

export const never = new AbortController().signal;
export const soon = () => systemClock.now() + 1_000;
export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Waits for a condition, not for a time: generous, since the machine may be busy. */
export async function until(what: string, condition: () => boolean, limit = 15_000): Promise<void> {
  const end = Date.now() + limit;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited ${limit} ms for: ${what}`);
    await pause(5);
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}

/** Diagnostics that keep their lines. */
export function keptDiagnostics(): { diagnostics: Diagnostics; lines: { level: number; msg: string; topic?: string }[] } {
  const lines: { level: number; msg: string; topic?: string }[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as { level: number; msg: string });
      done();
    },
  });
  return { diagnostics: pino({ level: 'debug' }, sink), lines };
}
export const quiet: Diagnostics = pino({ level: 'silent' });

/** A broker that tests start, kill and start again on one port. */
export interface TestBroker {
  readonly url: string;
  start(): Promise<void>;
  /** As a crash: no goodbye to anybody. */
  kill(): Promise<void>;
}

class Mosquitto implements TestBroker {
  private child: ChildProcess | null = null;
  constructor(private readonly port: number) {}
  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }
  async start(): Promise<void> {
    // Without a configuration file mosquitto 2 listens on loopback only, for anyone, and stores nothing.
    this.child = spawn('mosquitto', ['-p', String(this.port)], { stdio: 'ignore' });
    await answering(this.url);
  }
  async kill(): Promise<void> {
    const { child } = this;
    this.child = null;
    if (child === null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGKILL');
    await ended;
  }
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.child?.kill(name);
  }
}

class Embedded implements TestBroker {
  private broker: EmbeddedBroker | null = null;
  constructor(private readonly port: number) {}
  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }
  async start(): Promise<void> {
    this.broker = new EmbeddedBroker({ host: '127.0.0.1', port: this.port }, systemClock, quiet);
    await this.broker.start(never);
  }
  async kill(): Promise<void> {
    await this.broker?.stop(0); // the worker is terminated without closing a connection in order
    this.broker = null;
  }
}

async function answering(url: string): Promise<void> {
  const client = connect(url, { reconnectPeriod: 50 });
  client.on('error', () => undefined);
  await new Promise<void>((resolve) => client.once('connect', () => resolve()));
  await client.endAsync(true);
}

export const hasMosquitto = spawnSync('mosquitto', ['-h']).error === undefined;
export const noMosquitto = 'mosquitto is not installed (apt-get install mosquitto)';
if (!hasMosquitto) process.stderr.write(`skipped: ${noMosquitto}\n`);

/** The brokers the contract is shown on. */
export const brokers: [string, () => Promise<TestBroker>][] = [['embedded', async () => new Embedded(await freePort())]];
if (hasMosquitto) brokers.push(['mosquitto', async () => new Mosquitto(await freePort())]);
export const stoppableBroker = async () => new Mosquitto(await freePort());

export interface Heard {
  topic: string; // without the base
  text: string;
  retain: boolean;
  at: number; // monotonic ms
}

/** A bystander that hears everything under the base, as a PLC with a clean session would. */
export class Listener {
  readonly heard: Heard[] = [];
  private constructor(
    private readonly client: MqttClient,
    private readonly base: string,
  ) {
    client.on('message', (topic: string, payload: Buffer, packet: IPublishPacket) => {
      this.heard.push({
        topic: topic.slice(base.length + 1),
        text: payload.toString('latin1'),
        retain: packet.retain,
        at: systemClock.now(),
      });
    });
    client.on('error', () => undefined);
  }
  static async connect(url: string, base: string): Promise<Listener> {
    const client = connect(url, { clean: true, reconnectPeriod: 100, queueQoSZero: false });
    const listener = new Listener(client, base);
    await new Promise<void>((resolve) => client.once('connect', () => resolve()));
    await client.subscribeAsync(`${base}/#`, { qos: 1 });
    return listener;
  }
  of(topic: string): string[] {
    return this.heard.filter((one) => one.topic === topic).map((one) => one.text);
  }
  async say(topic: string, payload: string | Buffer, retain = false): Promise<void> {
    await this.client.publishAsync(`${this.base}/${topic}`, payload, { qos: 1, retain });
  }
  async end(): Promise<void> {
    await this.client.endAsync(true);
  }
}

/** An outbox as the log keeps one, in memory: undelivered entries in order. */
export class ListOutbox {
  entries: Entry[] = [];
  deliveredUpTo = 0;
  private seq = 0;
  add(n = 1): void {
    for (let i = 0; i < n; i++) {
      const journalSeq = ++this.seq;
      this.entries.push({ journalSeq, type: 'verdict', payload: `{"journalSeq":${journalSeq},"type":"verdict","verdict":"FAIL"}` });
    }
  }
  async backlog(after: number, n: number): Promise<Entry[]> {
    await pause(0);
    return this.entries.filter((entry) => entry.journalSeq > after).slice(0, n);
  }
  async delivered(upTo: number): Promise<void> {
    await pause(0);
    this.deliveredUpTo = upTo;
    this.entries = this.entries.filter((entry) => entry.journalSeq > upTo);
  }
}

let parts = 0;
export function makePart(change: Partial<Part> = {}): Part {
  parts++;
  return {
    resultId: `00001${String(parts).padStart(9, '0')}`,
    seq: parts,
    partId: `A${String(parts).padStart(7, '0')}`,
    recipe: { id: 'cast', number: 3 },
    opened: systemClock.now(),
    openedUtc: '2026-11-20T10:00:00.000Z',
    clockTrusted: true,
    simulated: false,
    ...change,
  };
}

/** A good part, unless changed. */
export function makeVerdict(change: Partial<Verdict> = {}, part: Partial<Part> = {}): Verdict {
  return {
    part: makePart(part),
    evaluation: Evaluation.OK,
    code: Code.ok,
    state: ResultState.Completed,
    score: 0.314,
    limit: 0.62,
    frameId: 17,
    mapMax: 0.5,
    probabilities: null,
    provider: 'cpu',
    bundle: 'ab'.repeat(32),
    config: 'cd'.repeat(32),
    timings: {
      startTime: '2026-11-20T10:00:00.000Z',
      endTime: '2026-11-20T10:00:00.100Z',
      acquisitionDuration: 40,
      processingDuration: 60,
    },
    late: false,
    detail: '',
    released: 1,
    lot: '',
    ...change,
  };
}

/** What a log would mint after its commit. Only tests of the rooms behind the log may. */
export function committed(verdict: Verdict, journalSeq = 1): Committed {
  return { verdict, journalSeq, hash: 'ef'.repeat(32) } as unknown as Committed;
}

export const operational: StationState = {
  state: 'Operational',
  sub: 'Ready',
  ready: 1,
  code: 0,
  recipeId: 3,
  ep: 'cpu',
  bundle: '9f3c1a7e',
  config: '51d0c2aa',
  bootId: '00001',
};

export const base = 'verdictd/t1';
export function makeLink(
  url: string,
  options: Partial<LinkOptions> = {},
  deps: Partial<LinkDeps> = {},
): { link: MqttLink; outbox: ListOutbox } {
  const outbox = new ListOutbox();
  const link = new MqttLink(
    { url, station: 't1', base, ttl: 1500, heartbeat: 100, acceptSimulated: false, triggerMode: 'software', maxOpen: 4, ...options },
    { clock: systemClock, diagnostics: quiet, outbox, lastSeq: () => 41, ...deps },
  );
  return { link, outbox };
}
