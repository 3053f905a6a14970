/** Tensors of a checkpoint, read from their file only when asked for. */
import { asBytes, bytesOf, type DType, isFloat, toFloat32, toIntegers, type Words, words } from './dtypes';
import { quoted, refuse } from './refuse';

/** A run of elements of one type in a file, shared by any number of tensors. */
export interface Storage {
  readonly where: string; // the file, for messages
  readonly name: string;
  readonly dtype: DType;
  readonly numel: number;
  /** Fills `target` from byte `offset` of the storage; throws CHECKPOINT_REFUSED where the content fails its checksum. */
  readInto(offset: number, target: Uint8Array): void;
}

/** A tensor whose elements are still in the file. Elements come in C order (last index fastest), owned by the caller. */
export interface LazyTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly numel: number;
  /** All elements as float32. Refuses NaN and infinity by name: no trained weight is either. */
  read(): Float32Array<ArrayBuffer>;
  /** The same in pieces of at most `elements`, so that a large tensor can be copied without being held. */
  chunks(elements?: number): Iterable<Float32Array<ArrayBuffer>>;
  /** All elements of an integer tensor as numbers of 32 bits (token ids and the like). */
  integers(): number[];
  /** Rows `start` to `start + count` of the first dimension, without reading. */
  narrow(start: number, count: number): LazyTensor;
  renamed(name: string): LazyTensor;
}

const limits = { rank: 8, name: 512, elements: 1 << 30, integers: 1 << 20 } as const;
const CHUNK = 1 << 20; // elements, 4 MB as float32

/** Product of a shape; 1 for a scalar. */
export const numelOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Strides, in elements, of a C-ordered tensor. */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let d = shape.length - 2; d >= 0; d--) strides[d] = (strides[d + 1] ?? 1) * (shape[d + 1] ?? 1);
  return strides;
}

/** A view on a storage: element (i, j, ...) is number `offset + i*strides[0] + j*strides[1] + ...` of it. */
export class StridedTensor implements LazyTensor {
  readonly dtype: DType;
  readonly numel: number;
  /** Number in the storage one past the furthest element. */
  private readonly end: number;

  /**
   * Checks that the view lies wholly inside its storage and names no element of it twice over on the whole (a repeated element
   * would let a few bytes claim any amount of memory). Throws CHECKPOINT_REFUSED.
   */
  constructor(
    readonly name: string,
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {
    const wrong = (what: string) => refuse(storage.where, `tensor ${quoted(name)} ${what}`);
    if (shape.length > limits.rank) wrong(`has ${shape.length} dimensions, at most ${limits.rank} are expected`);
    if (strides.length !== shape.length) wrong(`has ${shape.length} dimensions and ${strides.length} strides`);
    const natural = (n: number) => Number.isSafeInteger(n) && n >= 0;
    if (!natural(offset) || !shape.every(natural)) wrong(`has shape [${shape.join()}] at offset ${offset}`);
    if (!strides.every(natural)) wrong(`has strides [${strides.join()}]; they cannot be negative`);
    this.dtype = storage.dtype;
    this.numel = numelOf(shape);
    if (!(this.numel <= limits.elements)) wrong(`has ${this.numel} elements, at most ${limits.elements} are expected`);
    if (this.numel > storage.numel) wrong(`has ${this.numel} elements on a storage of ${storage.numel}`);
    this.end = this.numel === 0 ? offset : offset + 1 + shape.reduce((sum, size, d) => sum + (size - 1) * (strides[d] ?? 0), 0);
    if (!(this.end <= storage.numel)) wrong(`reaches element ${this.end} of a storage of ${storage.numel}`);
  }

  read(): Float32Array<ArrayBuffer> {
    return this.checked(toFloat32(this.dtype, this.raw(0, this.numel)));
  }

  *chunks(elements: number = CHUNK): Generator<Float32Array<ArrayBuffer>> {
    for (let from = 0; from < this.numel; from += elements) {
      yield this.checked(toFloat32(this.dtype, this.raw(from, Math.min(elements, this.numel - from))));
    }
  }

  integers(): number[] {
    if (isFloat(this.dtype)) refuse(this.storage.where, `tensor ${quoted(this.name)} holds ${this.dtype}, integers are expected`);
    if (this.numel > limits.integers) refuse(this.storage.where, `tensor ${quoted(this.name)} has ${this.numel} integers`);
    const values = Array.from(toIntegers(this.dtype, this.raw(0, this.numel)));
    const beyond = values.find((value) => value !== (value | 0));
    if (beyond !== undefined) refuse(this.storage.where, `tensor ${quoted(this.name)} holds ${beyond}, beyond 32 bits`);
    return values;
  }

  narrow(start: number, count: number): StridedTensor {
    const [rows = 0, ...rest] = this.shape;
    if (this.shape.length === 0 || !Number.isInteger(start) || !Number.isInteger(count) || start < 0 || count < 0 || start + count > rows) {
      refuse(this.storage.where, `tensor ${quoted(this.name)} of ${rows} rows has no rows ${start} to ${start + count}`);
    }
    return new StridedTensor(this.name, this.storage, this.offset + start * (this.strides[0] ?? 0), [count, ...rest], this.strides);
  }

  /** A matrix with rows and columns exchanged, without reading. */
  transposed(): StridedTensor {
    if (this.shape.length !== 2) refuse(this.storage.where, `tensor ${quoted(this.name)} of shape [${this.shape.join()}] is no matrix`);
    return new StridedTensor(this.name, this.storage, this.offset, this.shape.toReversed(), this.strides.toReversed());
  }

  renamed(name: string): StridedTensor {
    return new StridedTensor(name, this.storage, this.offset, this.shape, this.strides);
  }

  private get contiguous(): boolean {
    const natural = contiguousStrides(this.shape);
    return this.shape.every((size, d) => size <= 1 || this.strides[d] === natural[d]);
  }

  /** `count` elements from flat C index `from`, as they lie in the file. */
  private raw(from: number, count: number): Words {
    const width = bytesOf[this.dtype];
    if (this.contiguous) {
      const run = words(this.dtype, count);
      this.storage.readInto((this.offset + from) * width, asBytes(run));
      return run;
    }
    const span = words(this.dtype, this.end - this.offset);
    this.storage.readInto(this.offset * width, asBytes(span));
    return this.gather(span, from, count);
  }

  private gather(span: Words, from: number, count: number): Words {
    const out = words(this.dtype, count);
    const index = new Array<number>(this.shape.length).fill(0);
    let rest = from;
    for (let d = index.length - 1; d >= 0; d--) {
      const size = this.shape[d] ?? 1;
      index[d] = rest % size;
      rest = Math.floor(rest / size);
    }
    let at = index.reduce((sum, i, d) => sum + i * (this.strides[d] ?? 0), 0);
    for (let n = 0; n < count; n++) {
      out[n] = span[at] ?? 0; // `at` is inside the span by the checks of the constructor
      for (let d = index.length - 1; d >= 0; d--) {
        const stride = this.strides[d] ?? 0;
        const i = (index[d] ?? 0) + 1;
        if (i < (this.shape[d] ?? 0)) {
          index[d] = i;
          at += stride;
          break;
        }
        index[d] = 0;
        at -= (i - 1) * stride;
      }
    }
    return out;
  }

  private checked(values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
    for (let i = 0; i < values.length; i++) {
      const value = values[i] ?? 0;
      if (value - value !== 0) {
        // NaN or infinite
        refuse(this.storage.where, `tensor ${quoted(this.name)} holds ${value}`, 'Take a checkpoint whose training did not diverge.');
      }
    }
    return values;
  }
}

/** Tensors of equal trailing shape one after another along the first dimension, without reading. */
export class StackedTensor implements LazyTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly numel: number;

  constructor(
    readonly name: string,
    private readonly parts: readonly [LazyTensor, ...LazyTensor[]],
    private readonly where: string,
  ) {
    const [first] = parts;
    const inner = first.shape.slice(1).join();
    for (const part of parts) {
      if (part.shape.length === 0 || part.shape.slice(1).join() !== inner) {
        refuse(where, `tensor ${quoted(part.name)} has shape [${part.shape.join()}], expected [any,${inner}] as ${quoted(first.name)}`);
      }
    }
    this.dtype = first.dtype;
    this.shape = [parts.reduce((rows, part) => rows + (part.shape[0] ?? 0), 0), ...first.shape.slice(1)];
    this.numel = numelOf(this.shape);
  }

  read(): Float32Array<ArrayBuffer> {
    const all = new Float32Array(this.numel);
    let at = 0;
    for (const chunk of this.chunks()) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  *chunks(elements?: number): Generator<Float32Array<ArrayBuffer>> {
    for (const part of this.parts) yield* part.chunks(elements);
  }

  integers(): number[] {
    return this.parts.flatMap((part) => part.integers());
  }

  narrow(start: number, count: number): LazyTensor {
    const taken: LazyTensor[] = [];
    let row = 0;
    for (const part of this.parts) {
      const rows = part.shape[0] ?? 0;
      const from = Math.max(start - row, 0);
      const to = Math.min(start + count - row, rows);
      if (to > from) taken.push(part.narrow(from, to - from));
      row += rows;
    }
    const [first, ...rest] = taken;
    if (!first || start < 0 || start + count > row) {
      return refuse(this.where, `tensor ${quoted(this.name)} of ${row} rows has no rows ${start} to ${start + count}`);
    }
    return new StackedTensor(this.name, [first, ...rest], this.where);
  }

  renamed(name: string): StackedTensor {
    return new StackedTensor(name, this.parts, this.where);
  }
}
