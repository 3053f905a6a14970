// A machine with a real systemd in namespaces of its own (boot.sh), and what a test does to the service on it.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must, root } from '../shadow.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Why such a machine cannot be made here, or null. */
export function impossible() {
  if (process.getuid() !== 0) return 'this is not root, who alone may make namespaces and control groups';
  if (!existsSync('/lib/systemd/systemd')) return 'there is no systemd (Debian: apt-get install systemd)';
  const probe = spawnSync('unshare', ['--mount', '--pid', '--fork', '--cgroup', '--mount-proc', 'mount', '-t', 'tmpfs', 'tmpfs', '/run'], {
    encoding: 'utf8',
  });
  return probe.status === 0 ? null : `namespaces are not to be had: ${(probe.error?.message ?? probe.stderr).trim()}`;
}

/** Targets that services name, each empty: only the station shall run. */
const targets = ['sysinit', 'basic', 'shutdown', 'default', 'multi-user', 'network', 'time-sync'];

export class Machine {
  /** `dropIn`: what is added to the shipped unit. */
  constructor(dropIn) {
    this.folder = mkdtempSync(join(tmpdir(), 'verdictd-systemd-'));
    for (const name of ['etc', 'lib', 'units', 'units/verdictd.service.d']) mkdirSync(join(this.folder, name));
    for (const name of targets) {
      const first = ['sysinit', 'basic', 'shutdown'].includes(name) ? 'DefaultDependencies=no\n' : '';
      writeFileSync(join(this.folder, `units/${name}.target`), `[Unit]\nDescription=${name}\n${first}`);
    }
    writeFileSync(join(this.folder, 'units/verdictd.service.d/proof.conf'), dropIn);
    this.freezer = join(this.folder, 'freeze');
    must('cc', ['-std=gnu11', '-Wall', '-Wextra', '-Werror', '-O1', join(here, 'freeze.c'), '-o', this.freezer]);
    this.frozen = [];
  }

  /** Files of the station's user, as the unit's directories show them: /var/lib/verdictd. */
  get data() {
    return join(this.folder, 'lib', 'verdictd');
  }

  configure(text) {
    writeFileSync(join(this.folder, 'etc/verdictd.yaml'), text);
    if (this.first !== undefined) this.inside('cp', [join(this.folder, 'etc/verdictd.yaml'), '/etc/verdictd/verdictd.yaml']);
  }

  /** Rejects with what was said where systemd does not come up. */
  async boot() {
    this.child = spawn('sh', [join(here, 'boot.sh'), 'join', this.folder, root, process.execPath], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.said = '';
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (some) => (this.said += some));
    for (let i = 0; i < 200; i++) {
      await sleep(50);
      if (this.child.exitCode !== null) break;
      const [first] = childrenOf(this.child.pid);
      if (first === undefined || !readFileSync(`/proc/${first}/cmdline`, 'latin1').includes('systemd')) continue;
      this.first = first;
      if (this.systemctl('is-system-running').stdout.trim() === 'running') return;
    }
    throw new Error(`systemd did not come up: ${this.said.trim().split('\n').slice(-5).join(' | ')}`);
  }

  /** Runs a command on the machine, as root or as the station's user. */
  inside(command, args, user = false) {
    const as = user ? ['runuser', '-u', 'verdictd', '--'] : [];
    const words = ['-t', String(this.first), '--mount', '--pid', '--cgroup', '--', ...as, command, ...args];
    return spawnSync('nsenter', words, { encoding: 'utf8', cwd: '/' });
  }

  systemctl(...args) {
    return this.inside('systemctl', args);
  }

  /** Without waiting for its end. */
  begin(...args) {
    const words = ['-t', String(this.first), '--mount', '--pid', '--cgroup', '--', 'systemctl', ...args];
    return new Promise((resolve) => spawn('nsenter', words, { stdio: 'ignore' }).on('close', resolve));
  }

  /** Properties of the service as systemd tells them. */
  show() {
    const names = 'ActiveState,SubState,Result,NRestarts,MainPID,ExecMainStatus,StatusText';
    const lines = this.systemctl('show', 'verdictd.service', '-p', names).stdout.trim().split('\n');
    return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
  }

  /** The station's process, by its number outside of the machine; null where there is none. */
  station() {
    const inner = this.show().MainPID;
    for (const pid of childrenOf(this.first)) {
      if (/^NSpid:.*\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] === inner) return pid;
    }
    return null;
  }

  /** Stops threads of the station for good. */
  freeze(threads) {
    return new Promise((resolve, reject) => {
      const child = spawn(this.freezer, threads.map(String), { stdio: ['ignore', 'pipe', 'pipe'] });
      this.frozen.push(child);
      child.stdout.once('data', resolve);
      child.stderr.once('data', (some) => reject(new Error(some.toString().trim())));
    });
  }

  /** What the station wrote, and `ended RESULT CODE STATUS` of each of its ends. */
  log() {
    const path = join(this.folder, 'lib/said');
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }
  ends() {
    return [...this.log().matchAll(/^ended (.*)$/gm)].map((match) => match[1]);
  }

  /** Ends the machine with everything on it. */
  async off() {
    for (const child of this.frozen) child.kill('SIGKILL');
    if (this.child !== undefined && this.child.exitCode === null) {
      const gone = new Promise((resolve) => this.child.once('close', resolve));
      this.child.kill('SIGKILL');
      await gone;
    }
    const groups = join(this.folder, 'groups');
    for (const group of existsSync(groups) ? readFileSync(groups, 'utf8').trim().split('\n') : []) await removeGroup(group);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const childrenOf = (pid) => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

/** A control group goes when its last process has; its files are no files. */
async function removeGroup(path) {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) if (entry.isDirectory()) await removeGroup(join(path, entry.name));
  for (let i = 0; i < 100; i++) {
    try {
      return rmdirSync(path);
    } catch {
      await sleep(20);
    }
  }
}
