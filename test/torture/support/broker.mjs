// Brokers that parts start, kill, stop and start again on one port: mosquitto, and aedes as verdictd embeds it, each a process of its own.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from './mqtt.mjs';
import { freePort, launch } from './processes.mjs';

const aedes = fileURLToPath(new URL('aedes.cjs', import.meta.url));
// Daemons live in sbin, which is not on everybody's path.
const withSbin = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
export const hasMosquitto = spawnSync('mosquitto', ['-h'], { env: withSbin }).error === undefined;
export const noMosquitto = 'mosquitto is not installed (apt-get install mosquitto)';

export class Broker {
  child = null;

  constructor({ kind, persistence, dir, port, settings }) {
    Object.assign(this, { kind, persistence, dir, port, settings, url: `mqtt://127.0.0.1:${port}`, log: join(dir, `${kind}-${port}.log`) });
  }

  /** Resolves once it answers. */
  async start() {
    if (this.kind === 'mosquitto') {
      const file = join(this.dir, `mosquitto-${this.port}.conf`);
      writeFileSync(file, `${this.lines().join('\n')}\n`);
      this.child = launch('mosquitto', ['-c', file], { env: withSbin, log: this.log });
    } else this.child = launch(process.execPath, [aedes, String(this.port)], { log: this.log });
    const { child } = this;
    const client = connect(this.url, { reconnectPeriod: 20, username: 'bench' });
    client.on('error', () => undefined); // what it refuses it answers: it is there
    try {
      await Promise.race([
        new Promise((resolve) => client.on('packetreceive', (packet) => packet.cmd === 'connack' && resolve())),
        child.ended.then(() => Promise.reject(new Error(`${this.kind} ended while starting: see ${this.log}`))),
      ]);
    } finally {
      await client.endAsync(true);
    }
  }

  /** SIGTERM: in order, persistence saved. SIGKILL: as a crash. SIGSTOP and SIGCONT: returns at once. */
  async end(signal = 'SIGTERM') {
    const { child } = this;
    if (child === null) return;
    child.kill(signal);
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') return;
    this.child = null;
    child.kill('SIGCONT'); // one that is stopped hears nothing else
    await child.ended;
  }

  async restart(signal = 'SIGTERM') {
    await this.end(signal);
    await this.start();
  }

  lines() {
    const store = join(this.dir, `store-${this.port}`);
    if (this.persistence) mkdirSync(store, { recursive: true });
    return [
      `listener ${this.port} 127.0.0.1`,
      ...(this.settings.some((line) => line.startsWith('allow_anonymous')) ? [] : ['allow_anonymous true']),
      'max_queued_messages 0',
      'log_type error',
      'log_type warning',
      ...(process.getuid() === 0 ? ['user root'] : []), // else it leaves root, and cannot read the folder
      ...(this.persistence ? ['persistence true', `persistence_location ${store}/`, 'autosave_interval 1'] : ['persistence false']),
      ...this.settings,
    ];
  }
}

/**
 * A started broker. `kind`: mosquitto or aedes; without mosquitto, aedes unless it was asked for. `persistence`: mosquitto's own.
 * `settings`: further lines of mosquitto's configuration.
 */
export async function startBroker({ dir, kind = hasMosquitto ? 'mosquitto' : 'aedes', persistence = false, port, settings = [] }) {
  if (kind === 'mosquitto' && !hasMosquitto) throw new Error(noMosquitto);
  const broker = new Broker({ kind, persistence, dir, port: port ?? (await freePort()), settings });
  await broker.start();
  return broker;
}
