/** What systemd is told, as sd_notify(3) and sd_watchdog_enabled(3) describe. Where nobody supervises, nothing is said. */
import type { Diagnostics } from '../diagnostics';
import { reason } from '../errors';
import { sdNotify } from '../native';
import type { Ms } from '../ports';

type Environment = Readonly<Record<string, string | undefined>>;

/** A text with line ends would be read as further assignments. */
const oneLine = (text: string): string => text.replace(/[\r\n]+/g, ' ').slice(0, 500);

export class Supervisor {
  private readonly socket: string | null;
  /** The service is restarted when it is silent for so long; null: nobody watches. */
  readonly watchdogTime: Ms | null;
  private lastStatus = '';
  private complained = false;

  constructor(
    env: Environment,
    private readonly diagnostics: Diagnostics,
    pid: number = process.pid,
  ) {
    this.socket = env.NOTIFY_SOCKET || null;
    const time = Number(env.WATCHDOG_USEC) / 1000;
    const ours = env.WATCHDOG_PID === undefined || Number(env.WATCHDOG_PID) === pid;
    this.watchdogTime = this.socket !== null && ours && time > 0 ? time : null;
  }

  /** Whether somebody starts this process again when it ends. */
  get present(): boolean {
    return this.socket !== null;
  }

  ready(status: string): void {
    this.lastStatus = oneLine(status);
    this.send(`READY=1\nSTATUS=${this.lastStatus}`);
  }

  status(status: string): void {
    const text = oneLine(status);
    if (text === this.lastStatus) return;
    this.lastStatus = text;
    this.send(`STATUS=${text}`);
  }

  stopping(): void {
    this.send('STOPPING=1\nSTATUS=stopping');
  }

  /** Starting or stopping goes on, and may take so long from now. */
  extend(time: Ms): void {
    this.send(`EXTEND_TIMEOUT_USEC=${Math.round(time * 1000)}`);
  }

  /** Work was done: see watchdog.ts for when that may be said. */
  progressed(): void {
    this.send('WATCHDOG=1');
  }

  /** Never throws: a supervisor that is away or does not read must not end what it supervises. The next message may arrive. */
  private send(text: string): void {
    if (this.socket === null) return;
    try {
      sdNotify(this.socket, text);
    } catch (thrown) {
      if (!this.complained) this.diagnostics.warn({ err: reason(thrown) }, 'systemd cannot be notified');
      this.complained = true;
    }
  }
}
