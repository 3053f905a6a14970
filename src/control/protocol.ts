/**
 * What goes over the control socket: one JSON text a line, a request and its answer in turn. An answer may announce bytes (a picture)
 * that follow its line as they are.
 */
import { z } from 'zod';
import { type ErrorCode, errors } from '../errors';

export const limits = {
  request: 64 * 1024, // bytes of a request's line
  answer: 4 * 1024 * 1024, // bytes of an answer's line
  tail: 256 * 1024 * 1024, // bytes that may follow it: a frame of 16384 x 16384 at 8 bit
} as const;

export const requestSchema = z.strictObject({
  id: z.int().min(0).max(2147483647),
  call: z.string().regex(/^[a-z][a-zA-Z.]{0,63}$/),
  args: z.record(z.string().max(64), z.unknown()).default({}),
});
export type Request = z.infer<typeof requestSchema>;

const errorCode = z.custom<ErrorCode>((code) => typeof code === 'string' && Object.hasOwn(errors, code));

export const answerSchema = z.union([
  z.strictObject({ id: z.int(), ok: z.literal(true), value: z.unknown(), bytes: z.int().min(0).max(limits.tail) }),
  z.strictObject({
    id: z.int(),
    ok: z.literal(false),
    error: z.strictObject({ code: errorCode, message: z.string(), details: z.array(z.string()) }),
  }),
]);
export type Answer = z.infer<typeof answerSchema>;

/** Cuts a stream of bytes into lines; a line longer than `most` bytes is the end of it. */
export class Lines {
  private held: Buffer[] = [];
  private size = 0;

  constructor(private readonly most: number) {}

  /** Lines that are complete now, without their end; null: the one under way is too long. What is left over is kept for later. */
  push(chunk: Buffer): string[] | null {
    const lines: string[] = [];
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = Buffer.concat([...this.held, rest.subarray(0, end)]);
      if (line.length > this.most) return null;
      lines.push(line.toString('utf8'));
      this.held = [];
      this.size = 0;
      rest = rest.subarray(end + 1);
    }
    if (rest.length === 0) return lines;
    this.size += rest.length;
    if (this.size > this.most) return null;
    this.held.push(rest);
    return lines;
  }
}
