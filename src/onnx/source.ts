/** Bounded reading of protobuf from memory or from a file, without trusting any length in it and without loading weights. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { plainFile } from '../hash';

/** Something wrong in the bytes; the walk turns it into a refusal with the file's name. */
export class Malformed extends Error {
  override readonly name = 'Malformed';
}

export interface Source {
  readonly size: number;
  /** The bytes at offset..offset+length; a view that holds until the next call. Throws Malformed beyond the end. */
  read(offset: number, length: number): Uint8Array;
}

export function bufferSource(bytes: Uint8Array): Source {
  return {
    size: bytes.length,
    read(offset, length) {
      if (offset + length > bytes.length) throw new Malformed('it is cut off');
      return bytes.subarray(offset, offset + length);
    },
  };
}

const windowBytes = 1 << 16;

/** A regular file, never a link. Owner of the descriptor: `close` is the only close path. */
export class FileSource implements Source {
  readonly size: number;
  private readonly file: number;
  private window: Buffer = Buffer.alloc(0);
  private windowAt = 0;

  constructor(path: string) {
    this.file = openSync(path, plainFile);
    const stats = fstatSync(this.file);
    if (!stats.isFile()) {
      closeSync(this.file);
      throw new Malformed('it is not a regular file');
    }
    this.size = stats.size;
  }

  read(offset: number, length: number): Uint8Array {
    if (offset + length > this.size) throw new Malformed('it is cut off');
    const inside = offset - this.windowAt;
    if (inside < 0 || inside + length > this.window.length) {
      this.window = this.fill(offset, Math.min(Math.max(length, windowBytes), this.size - offset));
      this.windowAt = offset;
      return this.window.subarray(0, length);
    }
    return this.window.subarray(inside, inside + length);
  }

  close(): void {
    closeSync(this.file);
  }

  private fill(offset: number, length: number): Buffer {
    const buffer = Buffer.alloc(length);
    for (let at = 0; at < length; ) {
      const got = readSync(this.file, buffer, at, length - at, offset + at);
      if (got === 0) throw new Malformed('it became shorter while it was read');
      at += got;
    }
    return buffer;
  }
}

/** A stretch of a source that holds one message or one field. */
export interface Span {
  source: Source;
  start: number;
  end: number;
}

/** One field: its number, and either a number (varint) or the span of its bytes (fixed or length-delimited). */
export interface Field {
  number: number;
  /** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
  wire: 0 | 1 | 2 | 5;
  value: number; // of a varint; exact up to 2^53, else its nearest double
  span: Span;
}

function varint(source: Source, at: number, end: number): { value: number; next: number } {
  let value = 0;
  let factor = 1;
  for (let i = 0; i < 10; i++) {
    if (at + i >= end) throw new Malformed('a number runs over the end of its message');
    const byte = source.read(at + i, 1)[0] ?? 0;
    value += (byte & 127) * factor;
    if (byte < 128) return { value, next: at + i + 1 };
    factor *= 128;
  }
  throw new Malformed('a number is longer than ten bytes');
}

/** The fields of a message, in order. Throws Malformed where a length runs over the message's end. */
export function* fields({ source, start, end }: Span): Generator<Field> {
  let at = start;
  while (at < end) {
    const tag = varint(source, at, end);
    const number = Math.floor(tag.value / 8);
    const wire = tag.value % 8;
    if (number < 1 || number > 536870911) throw new Malformed(`a field has number ${number}`);
    let value = 0;
    let from = tag.next;
    let next: number;
    if (wire === 0) ({ value, next } = varint(source, from, end));
    else if (wire === 1) next = from + 8;
    else if (wire === 5) next = from + 4;
    else if (wire === 2) {
      const length = varint(source, from, end);
      from = length.next;
      next = from + length.value;
    } else throw new Malformed(`a field has wire type ${wire}`);
    if (!(next <= end)) throw new Malformed('a field runs over the end of its message');
    yield { number, wire, value, span: { source, start: from, end: next } };
    at = next;
  }
}

/** The varints of a repeated integer field, packed or not. */
export function integers(field: Field): number[] {
  if (field.wire === 0) return [field.value];
  if (field.wire !== 2) throw new Malformed('a whole number has the wrong wire type');
  const found: number[] = [];
  const { source, start, end } = field.span;
  for (let at = start; at < end; ) {
    const { value, next } = varint(source, at, end);
    found.push(value);
    if (found.length > 1_000_000) throw new Malformed('a list of numbers is absurdly long');
    at = next;
  }
  return found;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
const longestText = 4096;

export function text({ span, wire }: Field): string {
  const length = span.end - span.start;
  if (wire !== 2 || length > longestText) throw new Malformed(`a name is ${length} bytes long`);
  try {
    return utf8.decode(span.source.read(span.start, length));
  } catch {
    throw new Malformed('a name is not UTF-8');
  }
}

/** The field as a message of its own. */
export function message(field: Field): Span {
  if (field.wire !== 2) throw new Malformed(`field ${field.number} is not a message`);
  return field.span;
}
