// The real daemon, `verdictd run`, as a process: configured for speed, not for less. What is scaled is named in `scale`.
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startClient } from './client.mjs';
import { launch, sleep } from './processes.mjs';

export const root = fileURLToPath(new URL('../../..', import.meta.url));
export const launcher = join(root, 'src/cli/verdictd');

/** Against the defaults: factors for the report. */
export const scale = { heartbeat: 0.1 };

const settings = {
  'station.name': 't1',
  'camera.simulated.width': 64,
  'camera.simulated.height': 64,
  'camera.simulated.defectRate': 0,
  'inference.providers': 'cpu',
  'inference.threads': 1,
  'log.minFree': 16,
  'log.ballast': 0,
  'recipe.active': 'plate',
  'recipe.acceptProvisional': true,
  'recipe.wrongPart': 'off',
  'recipe.teach.auto': true,
  'recipe.teach.shots': 2,
  'recipe.teach.heldOut': 2,
  'quality.minSharpness': 0,
  'evidence.pictures': 'none',
  'evidence.heatmaps': false,
  'plc.acceptSimulated': true,
  'plc.heartbeat': 100,
  'diagnostics.level': 'info',
};

/** Recipes that a first start has taught, by what they depend on: further stations of this run need not teach them again. */
const taught = new Map();

export class Station {
  child = null;
  watcher = null;

  constructor(options) {
    Object.assign(this, options);
    this.base = `verdictd/${this.set['station.name']}`;
    this.dataDir = join(this.dir, 'data');
    this.log = join(this.dir, 'station.log');
  }

  args(...command) {
    const set = Object.entries(this.set).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
    return [...this.nodeArgs, launcher, '--data-dir', this.dataDir, ...set, ...command];
  }

  environment() {
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith('VERDICTD_') && name !== 'NOTIFY_SOCKET');
    return { ...Object.fromEntries(own), ...this.env };
  }

  /** The process, at once; see ready(). `env`: beside the station's own, for this run only. */
  start(env = {}) {
    if (this.child !== null) throw new Error('the station runs already');
    mkdirSync(dirname(this.log), { recursive: true });
    const [command, ...before] = [...this.wrapper, process.execPath];
    const child = launch(command, [...before, ...this.args('run')], { cwd: root, env: { ...this.environment(), ...env }, log: this.log });
    this.child = child;
    void child.ended.then(() => {
      if (this.child === child) this.child = null;
    });
    return child;
  }

  get pid() {
    return this.child?.pid ?? null;
  }

  /**
   * Resolves with ms waited once a heartbeat says ready 1; rejects when the process ends before, or after `limit` ms. A client that
   * stays connected is asked: what it heard of an earlier run does not count.
   */
  async ready(limit = 60_000) {
    const { child } = this;
    if (child === null) throw new Error('the station is not running');
    const began = performance.now();
    this.watcher ??= await startClient({
      url: this.url,
      base: this.base,
      topics: ['heartbeat'],
      keep: false,
      credentials: this.credentials,
    });
    let ready = false;
    const off = this.watcher.on(({ json }) => {
      if (json?.ready === 1) ready = true;
    });
    try {
      while (!ready) {
        if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the station ended while starting: ${this.tail()}`);
        if (performance.now() - began > limit) throw new Error(`the station is not ready after ${limit} ms: ${this.tail()}`);
        await sleep(2);
      }
    } finally {
      off();
    }
    this.remember();
    return performance.now() - began;
  }

  /** Sends a signal; resolves when the process has ended, at once for SIGSTOP and SIGCONT. */
  async kill(signal = 'SIGKILL') {
    const { child } = this;
    if (child === null) return null;
    child.kill(signal);
    return signal === 'SIGSTOP' || signal === 'SIGCONT' ? null : child.ended;
  }

  /** Ends it in order, and what belongs to it. */
  async stop(signal = 'SIGTERM') {
    const { child } = this;
    child?.kill('SIGCONT');
    const ended = await this.kill(signal);
    await this.watcher?.end();
    this.watcher = null;
    return ended;
  }

  /** A command of the command line on this station's data directory: {code, out}. Both streams in `out`. */
  async cli(...command) {
    const log = join(this.dir, `cli-${process.hrtime.bigint()}.txt`);
    const { code } = await launch(process.execPath, this.args(...command).slice(this.nodeArgs.length), {
      cwd: root,
      env: this.environment(),
      log,
    }).ended;
    return { code, out: readFileSync(log, 'utf8') };
  }

  /** The end of what it said, for messages of failure. */
  tail(bytes = 1500) {
    return existsSync(this.log) ? readFileSync(this.log, 'utf8').slice(-bytes) : '';
  }

  key() {
    return JSON.stringify(
      Object.entries(this.set).filter(([key]) => /^(camera|bundle|recipe|quality)\./.test(key) && !/defectRate$/.test(key)),
    );
  }

  remember() {
    if (!taught.has(this.key())) taught.set(this.key(), join(this.dataDir, 'recipes'));
  }

  /** A data directory without a recipe gets one that another station was taught under the same settings. */
  prepare() {
    const from = taught.get(this.key());
    if (from !== undefined && existsSync(from) && !existsSync(join(this.dataDir, 'recipes'))) {
      cpSync(from, join(this.dataDir, 'recipes'), { recursive: true });
    }
  }
}

/**
 * A station that is not started yet. `url` of the broker; `set`: keys of the configuration over those above; `env`: further
 * variables; `nodeArgs`: options of Node.js; `wrapper`: a command that runs it, as [command, ...args]; `dir`: its folder;
 * `credentials`: {username, password} by which the bench may listen.
 */
export function makeStation({ url, dir, set = {}, env = {}, nodeArgs = [], wrapper = [], credentials = {} }) {
  mkdirSync(join(dir, 'data'), { recursive: true });
  const station = new Station({ url, dir, env, nodeArgs, wrapper, credentials, set: { ...settings, 'plc.url': url, ...set } });
  station.prepare();
  return station;
}
