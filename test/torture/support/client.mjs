// An independent client: hears topics of a station with its own clock, and says what a PLC or a MES would. It shares nothing with the
// station but the broker.
import { connect } from './mqtt.mjs';
import { within } from './processes.mjs';

export class Recorder {
  /** {topic (without base), text, json (undefined where it is none), retain, dup, at (monotonic ms)} in order of receipt. */
  heard = [];
  losses = 0;
  listeners = new Set();
  last = new Map(); // by topic

  constructor(client, base, { keep }) {
    Object.assign(this, { client, base, keep });
    client.on('message', (topic, payload, packet) => this.receive(topic.slice(base.length + 1), payload, packet));
    client.on('close', () => this.losses++);
    client.on('error', () => undefined);
  }

  receive(topic, payload, { retain, dup }) {
    const text = payload.toString('utf8');
    const one = { topic, text, json: parsed(text), retain, dup, at: performance.now() };
    this.last.set(topic, one);
    if (this.keep) this.heard.push(one);
    for (const listener of this.listeners) listener(one);
  }

  /** Calls `listener` for each message from now on; gives the way to end that. */
  on(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  of(topic) {
    return this.heard.filter((one) => one.topic === topic);
  }

  /** The first message from now on that `wanted(message)` takes; null after `limit` ms. */
  async next(wanted, limit = 10_000) {
    let found = null;
    const off = this.on((one) => {
      if (found === null && wanted(one)) found = one;
    });
    await within(limit, () => found !== null);
    off();
    return found;
  }

  /** QoS 1, waits for the broker. Where there is none it waits for it: `sayNow` does not. */
  say(topic, payload, { retain = false, qos = 1 } = {}) {
    return this.client.publishAsync(`${this.base}/${topic}`, payload, { qos, retain });
  }

  /** As a PLC must: nothing is queued. False where there is no connection. Errors of a connection that breaks are not told. */
  sayNow(topic, payload, qos = 1) {
    if (!this.client.connected) return false;
    this.client.publish(`${this.base}/${topic}`, payload, { qos }, () => undefined);
    return true;
  }

  end() {
    return this.client.endAsync(true);
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Connects and subscribes. `topics` without the base, default everything. `session`: client id of a persistent session; none: a
 * clean one. `keep`: remember all that is heard. The client connects again by itself, and subscribes again.
 */
export async function startClient({ url, base, topics = ['#'], session, keep = true, credentials = {} }) {
  const own = session === undefined ? { clean: true } : { clean: false, clientId: session };
  const client = connect(url, {
    ...own,
    ...credentials,
    reconnectPeriod: 50,
    reconnectOnConnackError: true,
    queueQoSZero: false,
    keepalive: 5,
    connectTimeout: 2000,
  });
  const recorder = new Recorder(client, base, { keep });
  await new Promise((resolve) => client.once('connect', resolve));
  await client.subscribeAsync(
    topics.map((topic) => `${base}/${topic}`),
    { qos: 1 },
  );
  return recorder;
}
