/**
 * One MQTT 3.1.1 connection that forgets: nothing is queued while the broker is away, and whatever was in flight when it went
 * is thrown away. What must arrive stays in the outbox (journal.ts); what a gate acts on must never arrive late.
 *
 * mqtt.js keeps QoS 1 messages in flight and sends them again after a reconnect, before it says `connect`; hence
 * `removeOutgoingMessage` for each of them on `close`, and a flag of our own (`up`), which rises only after `connect`.
 */
import { randomBytes } from 'node:crypto';
import { Socket } from 'node:net';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import type { Clock, Ms } from '../ports';

export interface WireOptions {
  url: string; // mqtt://host[:port] or mqtts://
  name: string; // client id without its random end
  will?: { topic: string; payload: string }; // QoS 1, retained
  clock: Clock;
  username?: string;
  password?: string;
  tls?: { ca?: Buffer; cert?: Buffer; key?: Buffer };
}

export interface WireEvents {
  /** Connected, session clean, nothing subscribed. */
  connected(): void;
  /** The connection is gone and everything in flight with it. Not called for an attempt that failed. */
  lost(): void;
  /** An attempt failed, or the connection broke (after `lost`): the reason, for people. */
  trouble(why: string): void;
  message(topic: string, payload: Buffer, retained: boolean): void;
}

export interface Send {
  qos: 0 | 1;
  retain?: boolean;
  /** A gate acts on it: if the broker does not confirm it in time the connection is given up (see `watch`). */
  actuation?: boolean;
  /** Handed to the socket before `send` returns, not with what else is said in this turn of the loop. */
  now?: boolean;
  /** Called once, at PUBACK; never if the connection goes first. */
  acked?: () => void;
}

interface InFlight {
  since: Ms;
  actuation: boolean;
}

const keepalive = 5; // s: a hung broker shows after 7.5 s; the PLC's own timers are faster
const connectTimeout = 5_000; // ms, TCP and CONNACK
const backoff = { first: 250, last: 10_000 }; // ms; doubled each time, +-25 % jitter so that stations do not knock together

const closedByBroker = 'it closed the connection';

function jittered(delay: Ms): Ms {
  return Math.round(delay * (0.75 + Math.random() / 2));
}

/** Owner of the mqtt.js client; `close` is its only close path. */
export class Wire {
  private client: MqttClient | null = null;
  private up = false;
  private delay: number = backoff.first;
  private why = closedByBroker;
  private readonly inFlight = new Map<number, InFlight>();
  readonly clientId: string;

  constructor(
    private readonly options: WireOptions,
    private readonly events: WireEvents,
  ) {
    this.clientId = `${options.name}-${randomBytes(4).toString('hex')}`;
  }

  get connected(): boolean {
    return this.up;
  }

  /** Starts to connect, and goes on trying until `close`. */
  open(): void {
    if (this.client !== null) throw new Error('the MQTT connection was opened before');
    const { url, will, username, password, tls } = this.options;
    const options: IClientOptions = {
      protocolVersion: 4,
      clean: true,
      clientId: this.clientId,
      keepalive,
      connectTimeout,
      reconnectPeriod: jittered(backoff.first),
      reconnectOnConnackError: true, // a refused login may be mended at the broker
      resubscribe: false, // subscriptions are renewed by `connected`, in their order
      queueQoSZero: false,
      ...(will === undefined ? {} : { will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1, retain: true } }),
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...tls,
    };
    const client = connect(url, options);
    this.client = client;
    client.on('connect', () => {
      // Nagle's algorithm would hold a verdict back until the broker has confirmed an earlier packet, up to 40 ms.
      if (client.stream instanceof Socket) client.stream.setNoDelay(true);
      this.up = true;
      this.delay = backoff.first;
      client.options.reconnectPeriod = jittered(this.delay); // mqtt.js reads it at the next `close`
      this.events.connected();
    });
    client.on('reconnect', () => {
      this.delay = Math.min(backoff.last, this.delay * 2);
      client.options.reconnectPeriod = jittered(this.delay);
    });
    client.on('message', (topic, payload, packet) => this.events.message(topic, payload, packet.retain));
    client.on('error', (error: Error & { code?: unknown }) => {
      this.why = error.message === '' ? String(error.code) : error.message; // an AggregateError (localhost) has no message
    });
    client.on('close', () => {
      const had = this.up;
      this.up = false;
      this.forget(client);
      const why = this.why;
      this.why = closedByBroker;
      if (this.client === null) return;
      if (had) this.events.lost();
      this.events.trouble(why);
    });
  }

  /** Hands a message to a connected client; false (and nothing kept) when there is none. */
  send(topic: string, payload: string, how: Send): boolean {
    const client = this.client;
    if (client === null || !this.up) return false;
    if (how.qos === 0) {
      client.publish(topic, payload, { qos: 0, retain: how.retain ?? false }, () => undefined);
      return true;
    }
    // Connected and past `connect`: mqtt.js allocates the id and writes at once, so the last id is this message's.
    client.publish(topic, payload, { qos: 1, retain: how.retain ?? false }, (error) => {
      if (error) return;
      this.inFlight.delete(id);
      how.acked?.();
    });
    const id = client.getLastMessageId();
    if (how.now === true) client.stream.uncork(); // mqtt.js corks the stream until the next tick
    this.inFlight.set(id, { since: this.options.clock.now(), actuation: how.actuation ?? false });
    return true;
  }

  /** Resolves true if the broker granted every topic, false if it refused one or the connection went. */
  subscribe(topics: readonly string[], qos: 0 | 1): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.client === null || !this.up) resolve(false);
      else this.client.subscribe([...topics], { qos }, (error) => resolve(!error));
    });
  }

  unsubscribe(topics: readonly string[]): Promise<void> {
    return new Promise((resolve) => {
      if (this.client === null || !this.up) resolve();
      else this.client.unsubscribe([...topics], () => resolve());
    });
  }

  /** Gives the connection up if the broker has left an actuation message unconfirmed for longer than `patience` ms. */
  watch(patience: Ms): void {
    if (this.client === null || !this.up) return;
    const oldest = this.options.clock.now() - patience;
    for (const message of this.inFlight.values()) {
      if (!message.actuation || message.since > oldest) continue;
      this.why = `it did not confirm a message within ${Math.round(patience)} ms`;
      this.drop();
      return;
    }
  }

  /** Cuts the connection; it is made anew. */
  drop(): void {
    this.client?.stream.destroy();
  }

  /** Waits until `by` for what is in flight, then says DISCONNECT; what a hung broker leaves undone is cut off. */
  async close(by: Ms): Promise<void> {
    const client = this.client;
    if (client === null) return;
    const { clock } = this.options;
    while (this.up && this.inFlight.size > 0 && clock.now() < by) await new Promise((resolve) => setTimeout(resolve, 5));
    const polite = this.up;
    this.client = null;
    this.up = false;
    this.forget(client);
    await new Promise<void>((resolve) => {
      // At least 50 ms for the DISCONNECT itself: without it the broker would send the will.
      const cancel = clock.at(Math.max(by, clock.now() + 50), () => {
        client.stream.destroy();
        resolve();
      });
      client.end(!polite, () => {
        cancel();
        resolve();
      });
    });
  }

  private forget(client: MqttClient): void {
    for (const id of this.inFlight.keys()) client.removeOutgoingMessage(id);
    this.inFlight.clear();
  }
}
