/**
 * The control socket: how commands on this machine ask the running station instead of opening its files beside it. Only the station's
 * own user (and root) may: the file is mode 0600. What comes is hostile until its schema has read it; everything is bounded.
 */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Diagnostics } from '../diagnostics';
import { reason, VerdictdError } from '../errors';
import type { Ms } from '../ports';
import { type Calls, WithBytes } from './calls';
import { controlPath } from './path';
import { type Answer, Lines, limits, requestSchema } from './protocol';

const mostClients = 16;
/** A client that asks nothing for so long is let go. */
const idleTime: Ms = 60_000;
/** Requests one client may send ahead of their answers. */
const mostAhead = 32;
/** For a client that was refused to read why, and to go. */
const refusedTime: Ms = 1_000;

/** Owner of the socket's file. Must be started under the data directory's lock: it takes away the file a killed station left. */
export class ControlServer {
  private server: Server | null = null;
  private readonly clients = new Set<Socket>();
  private readonly end = new AbortController();

  constructor(
    private readonly dataDir: string,
    private readonly calls: Calls,
    private readonly diagnostics: Diagnostics,
  ) {}

  /** Throws DATA_DIR_UNUSABLE where the socket cannot be made. */
  async start(): Promise<void> {
    const path = controlPath(this.dataDir);
    const server = createServer((client) => this.serve(client));
    server.maxConnections = mostClients;
    this.server = server;
    rmSync(path, { force: true });
    try {
      await this.listen(server, path);
      chmodSync(path, 0o600);
    } catch (thrown) {
      throw new VerdictdError(
        'DATA_DIR_UNUSABLE',
        `${path}: the control socket cannot be made (${reason(thrown)}). Let this user write there.`,
        {
          cause: thrown,
        },
      );
    }
    server.on('error', (error) => this.diagnostics.error({ err: error.message }, 'control socket'));
  }

  /** Ends at once; calls under way are aborted. The file goes with it. */
  async stop(): Promise<void> {
    const { server } = this;
    this.server = null;
    this.end.abort();
    for (const client of this.clients) client.destroy();
    if (server?.listening !== true) return;
    await new Promise<void>((done) => server.close(() => done()));
  }

  /** Never readable by others, not even for the moment between making the file and setting its mode. */
  private listen(server: Server, path: string): Promise<void> {
    const before = process.umask(0o177); // of the whole process: `listen` makes the file before it returns, and nothing else does meanwhile
    try {
      return new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(path, resolve);
      });
    } finally {
      process.umask(before);
    }
  }

  private serve(client: Socket): void {
    this.clients.add(client);
    const gone = new AbortController();
    const signal = AbortSignal.any([gone.signal, this.end.signal]);
    const lines = new Lines(limits.request);
    let turn: Promise<void> = Promise.resolve();
    let ahead = 0;
    const refuse = (message: string): void => {
      client.end(line({ id: 0, ok: false, error: { code: 'USAGE', message, details: [] } }));
      setTimeout(() => client.destroy(), refusedTime).unref();
    };
    client.setTimeout(idleTime, () => {
      if (ahead === 0) client.destroy();
    });
    client.on('error', () => undefined); // `close` follows
    client.on('close', () => {
      this.clients.delete(client);
      gone.abort();
    });
    client.on('data', (chunk) => {
      if (client.writableEnded) return;
      const complete = lines.push(chunk);
      if (complete === null) return refuse(`A request is longer than ${limits.request} bytes. Send less.`);
      for (const text of complete) {
        if (++ahead > mostAhead) return refuse(`More than ${mostAhead} requests wait. Read the answers in between.`);
        turn = turn.then(async () => {
          await this.answer(client, text, signal);
          ahead--;
        });
      }
    });
  }

  /** Never rejects. */
  private async answer(client: Socket, text: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    let id = 0;
    let answer: Answer;
    let tail: Uint8Array = new Uint8Array(0);
    try {
      const request = read(text);
      id = request.id;
      const result = await this.calls.run(request.call, request.args, signal);
      if (result instanceof WithBytes) tail = result.bytes;
      const value = (result instanceof WithBytes ? result.value : result) ?? null;
      answer = { id, ok: true, value, bytes: tail.length };
      if (line(answer).length > limits.answer) throw new Error(`the answer to ${request.call} is too long`);
    } catch (thrown) {
      tail = new Uint8Array(0);
      const known = thrown instanceof VerdictdError;
      if (!known) this.diagnostics.error({ err: reason(thrown) }, 'control call');
      const message = known ? thrown.message : `A fault of verdictd itself: ${reason(thrown)}. See the diagnostics of the station.`;
      answer = { id, ok: false, error: { code: known ? thrown.code : 'INTERNAL', message, details: known ? [...thrown.details] : [] } };
    }
    if (client.destroyed || client.writableEnded) return;
    client.write(line(answer));
    if (tail.length > 0) client.write(tail);
  }
}

function line(answer: Answer): string {
  return `${JSON.stringify(answer)}\n`;
}

/** Throws USAGE. */
function read(text: string): { id: number; call: string; args: Record<string, unknown> } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new VerdictdError('USAGE', 'A request is not JSON. Send one JSON text a line.');
  }
  const request = requestSchema.safeParse(value);
  if (request.success) return request.data;
  throw new VerdictdError('USAGE', 'A request is not one: expected {"id":1,"call":"status","args":{}}.');
}
