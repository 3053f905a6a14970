/** What a command says: results on stdout, everything else on stderr. Progress for people at a terminal only. */
import type { Writable } from 'node:stream';

export interface Progress {
  /** `n` more are done. */
  step(n?: number): void;
  /** The line goes away. */
  done(): void;
}

interface Sink extends Writable {
  isTTY?: boolean;
  columns?: number;
}

/** A bar, and the time left once enough was done to tell; `seconds` since the work began. */
function barOf(count: number, total: number, seconds: number): string {
  const width = 24; // characters
  const done = Math.round((Math.min(count, total) / Math.max(1, total)) * width);
  const bar = ` ${'\u2588'.repeat(done)}${'\u2591'.repeat(width - done)}`;
  if (count === 0 || count >= total || seconds < 1) return bar;
  const left = Math.ceil((seconds / count) * (total - count));
  return `${bar} ${left < 60 ? `${left} s` : `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')} min`} left`;
}

/** Redrawn at most so often, in ms. */
const redraw = 100;

export class Io {
  /** True with --json: one JSON text a line on stdout and nothing else there. */
  json = false;
  private broken = false;
  private drawn = false;
  private keepGoing = false;

  /** `onBroken` is called once, when stdout takes no more: EPIPE when nobody reads it (as in `| head`), ENOSPC when its disk is full. */
  constructor(
    private readonly stdout: Sink,
    private readonly stderr: Sink,
    private readonly onBroken: (why: NodeJS.ErrnoException) => void,
  ) {}

  start(): void {
    this.stdout.on('error', (why: NodeJS.ErrnoException) => {
      if (this.broken) return;
      this.broken = true;
      if (!this.keepGoing) this.onBroken(why);
      else if (why.code !== 'EPIPE') this.err(`stdout cannot be written (${why.message}); the work goes on without`);
    });
    // A terminal or journal that went away: there is nobody left to tell.
    this.stderr.on('error', () => undefined);
  }

  /** For a daemon: it works on when its stdout takes no more. */
  outliveStdout(): void {
    this.keepGoing = true;
  }

  out(line: string): void {
    if (this.broken) return;
    this.clear();
    this.stdout.write(`${line}\n`);
  }

  err(line: string): void {
    this.clear();
    this.stderr.write(`${line}\n`);
  }

  /** One line of JSON on stdout. */
  outJson(value: unknown): void {
    this.out(JSON.stringify(value));
  }

  /** Whether a person sees stdout: colours and tables are for them. */
  get tty(): boolean {
    return this.stdout.isTTY === true;
  }

  /** Width of the terminal in characters; null where stdout is none. */
  get columns(): number | null {
    return this.stdout.columns ?? null;
  }

  /** A line on stderr that grows with the work, at a terminal; nothing in a pipe. `total` null: not known. */
  progress(label: string, total: number | null): Progress {
    if (this.stderr.isTTY !== true) return { step: () => undefined, done: () => undefined };
    let count = 0;
    let last = 0;
    const began = Date.now();
    const draw = () => {
      last = Date.now();
      this.drawn = true;
      this.stderr.write(`\r\u001b[K${label} ${count}${total === null ? '' : `/${total}${barOf(count, total, (last - began) / 1000)}`}`);
    };
    draw();
    return {
      step: (n = 1) => {
        count += n;
        if (Date.now() - last >= redraw) draw();
      },
      done: () => this.clear(),
    };
  }

  private clear(): void {
    if (!this.drawn) return;
    this.drawn = false;
    this.stderr.write('\r\u001b[K');
  }
}
