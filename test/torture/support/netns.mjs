// A network namespace with one cable to the bench, whose end can be taken down: the station's side of a broken link. Needs root.
import { spawnSync } from 'node:child_process';

const ip = (...args) => {
  const { status, stderr, error } = spawnSync('ip', args, {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  });
  return status === 0 ? null : (error?.message ?? stderr.trim());
};

export class Cable {
  /** The namespace's name and its address pair are of this process. */
  constructor() {
    const id = process.pid % 16_000;
    this.namespace = `vt${process.pid}`;
    this.near = `vt${id}`; // the bench's end
    const [third, fourth] = [(id * 4) >> 8, (id * 4) & 255];
    this.address = `10.213.${third % 256}.${fourth + 1}`;
    this.far = `10.213.${third % 256}.${fourth + 2}`;
    this.wrapper = ['ip', 'netns', 'exec', this.namespace];
  }

  /** Null, or why there is none. */
  lay() {
    const { namespace, near, address, far } = this;
    const within = (...args) => ip('netns', 'exec', namespace, 'ip', ...args);
    this.undo = () => this.remove();
    process.once('exit', this.undo);
    return (
      ip('netns', 'add', namespace) ??
      ip('link', 'add', near, 'type', 'veth', 'peer', 'name', 'cable', 'netns', namespace) ??
      ip('addr', 'add', `${address}/30`, 'dev', near) ??
      ip('link', 'set', near, 'up') ??
      within('addr', 'add', `${far}/30`, 'dev', 'cable') ??
      within('link', 'set', 'cable', 'up') ??
      within('link', 'set', 'lo', 'up')
    );
  }

  /** Out, or in again. Throws where the kernel refuses. */
  pull(out) {
    const refused = ip('link', 'set', this.near, out ? 'down' : 'up');
    if (refused !== null) throw new Error(`ip link set ${this.near}: ${refused}`);
  }

  remove() {
    if (this.undo !== undefined) process.removeListener('exit', this.undo);
    ip('link', 'del', this.near);
    ip('netns', 'del', this.namespace);
  }
}
