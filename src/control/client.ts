/** A command's end of the control socket: one call, one connection. */
import { createConnection, type Socket } from 'node:net';
import { reason, VerdictdError } from '../errors';
import type { Ms } from '../ports';
import { controlPath } from './path';
import { answerSchema, Lines, limits } from './protocol';

export interface Answered {
  value: unknown;
  bytes: Buffer; // empty where the call gives none
}

/** How long a station may be silent, its own limit of the call aside. */
const patience: Ms = 120_000;

/**
 * Asks the station that runs on `dataDir`. Rejects with what the station says, and with CONTROL_FAILED where nobody listens, where it
 * is another user's, or where what comes back is no answer; ABORTED by the signal.
 */
export async function ask(dataDir: string, call: string, args: Record<string, unknown>, signal: AbortSignal): Promise<Answered> {
  const path = controlPath(dataDir);
  const socket = createConnection(path);
  const abort = (): void => void socket.destroy(new VerdictdError('ABORTED', `Stopped before the station answered ${call}.`));
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  socket.setTimeout(patience, () => socket.destroy(failed(`The station has not answered ${call} for ${patience / 1000} s.`)));
  try {
    socket.write(`${JSON.stringify({ id: 1, call, args })}\n`);
    return await receive(socket, call);
  } catch (thrown) {
    throw thrown instanceof VerdictdError ? thrown : unreachable(path, thrown);
  } finally {
    signal.removeEventListener('abort', abort);
    socket.destroy();
  }
}

async function receive(socket: Socket, call: string): Promise<Answered> {
  const lines = new Lines(limits.answer);
  let head: { value: unknown; bytes: number } | null = null;
  const tail: Buffer[] = [];
  let size = 0;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    let rest = chunk;
    if (head === null) {
      const end = chunk.indexOf(10);
      const complete = lines.push(end < 0 ? chunk : chunk.subarray(0, end + 1));
      if (complete === null) throw failed(`What came back for ${call} is longer than ${limits.answer} bytes.`);
      const [text] = complete;
      if (text === undefined) continue;
      head = read(text, call);
      rest = chunk.subarray(end + 1);
    }
    tail.push(rest);
    size += rest.length;
    if (size >= head.bytes) return { value: head.value, bytes: Buffer.concat(tail).subarray(0, head.bytes) };
  }
  throw failed(`The station ended the connection before it had answered ${call}: it stops, or has died.`);
}

function read(text: string, call: string): { value: unknown; bytes: number } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = null;
  }
  const answer = answerSchema.safeParse(json);
  if (!answer.success) throw failed(`What came back for ${call} is no answer of a station: is it of another version?`);
  if (answer.data.ok) return answer.data;
  const { code, message, details } = answer.data.error;
  throw new VerdictdError(code, message, { details });
}

function failed(what: string): VerdictdError {
  return new VerdictdError('CONTROL_FAILED', `${what} See its diagnostics (journalctl -u verdictd), or restart it.`);
}

function unreachable(path: string, thrown: unknown): VerdictdError {
  const code = (thrown as { code?: unknown }).code;
  const what =
    code === 'EACCES' || code === 'EPERM'
      ? `${path} belongs to another user: run the command as the station's user (sudo -u verdictd ...).`
      : code === 'ENOENT' || code === 'ECONNREFUSED'
        ? `Nobody listens on ${path}: no station runs on this data directory, or it is starting or stopping. Try again, or check --data-dir.`
        : `${path} cannot be used: ${reason(thrown)}. Restart the station.`;
  return new VerdictdError('CONTROL_FAILED', what, { cause: thrown });
}
