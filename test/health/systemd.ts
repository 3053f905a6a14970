/** A NOTIFY_SOCKET with somebody behind it: Node cannot open one, so Python does. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const python = spawnSync('python3', ['--version']).error === undefined;
if (!python) console.warn('skipped: there is no python3, so nothing can listen on a NOTIFY_SOCKET');

export class FakeSystemd {
  readonly heard: string[] = [];
  private child: ChildProcess | null = null;

  constructor(readonly socket: string) {}

  async start(): Promise<void> {
    const child = spawn('python3', [join(__dirname, 'notified.py'), this.socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.child = child;
    await new Promise<void>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code) => reject(new Error(`the listener ended (${code})`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        const text = JSON.parse(line) as string;
        if (text === 'bound') resolve();
        else this.heard.push(text);
      });
    });
  }

  async stop(): Promise<void> {
    const { child } = this;
    this.child = null;
    if (child === null) return;
    const gone = new Promise((done) => child.on('close', done));
    child.removeAllListeners('exit');
    child.kill('SIGKILL');
    await gone;
  }

  count(text: string): number {
    return this.heard.filter((one) => one.split('\n').includes(text)).length;
  }
}
