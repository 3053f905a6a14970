/** What can be asked of a running station: one table. Rooms add their rows when they come up, and the socket serves whatever is there. */
import type { z } from 'zod';
import { VerdictdError } from '../errors';
import type { Ms } from '../ports';

/** An answer with bytes that follow it. */
export class WithBytes<T> {
  constructor(
    readonly value: T,
    readonly bytes: Uint8Array,
  ) {}
}

export interface Call<A = unknown> {
  /** Refuses what the handler must not see; unknown keys too. */
  args: z.ZodType<A>;
  /** Longest it may take; the signal aborts then, and when whoever asked is gone. */
  limit: Ms;
  /** What is returned goes back as JSON. Throws VerdictdError with what to do. */
  run(args: A, signal: AbortSignal): Promise<unknown> | unknown;
}

export class Calls {
  private readonly rows = new Map<string, Call>();

  /** Throws where the name is taken: two rooms that answer to one name is a fault of ours. */
  add<A>(name: string, call: Call<A>): void {
    if (this.rows.has(name)) throw new Error(`the control call ${name} is there already`);
    this.rows.set(name, call as Call);
  }

  names(): string[] {
    return [...this.rows.keys()].sort();
  }

  /** Throws USAGE for a call that is not there, or arguments it does not take. */
  async run(name: string, args: unknown, signal: AbortSignal): Promise<unknown> {
    const call = this.rows.get(name);
    if (call === undefined) {
      throw new VerdictdError(
        'USAGE',
        `The running station has no call ${name}; it has ${this.names().join(', ')}. Is it of the same version?`,
      );
    }
    const read = call.args.safeParse(args);
    if (!read.success) {
      const details = read.error.issues.map(({ path, message }) => `${['args', ...path.map(String)].join('.')}: ${message}`);
      throw new VerdictdError('USAGE', `The call ${name} does not take these arguments. Call it as its schema says.`, { details });
    }
    return await within(name, call, read.data, signal);
  }
}

async function within(name: string, call: Call, args: unknown, signal: AbortSignal): Promise<unknown> {
  const late = AbortSignal.timeout(call.limit);
  const either = AbortSignal.any([signal, late]);
  let give: () => void = () => undefined;
  const ended = new Promise<never>((_, reject) => {
    give = () =>
      reject(
        late.aborted
          ? new VerdictdError('CONTROL_FAILED', `${name} took longer than ${call.limit / 1000} s. See the diagnostics of the station.`)
          : new VerdictdError('ABORTED', `${name} was given up: whoever asked is gone, or the station stops.`),
      );
    either.addEventListener('abort', give, { once: true });
    if (either.aborted) give();
  });
  try {
    return await Promise.race([call.run(args, either), ended]);
  } finally {
    either.removeEventListener('abort', give);
  }
}
