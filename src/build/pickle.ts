/**
 * Reads the pickles that torch.save and TorchScript write, and nothing else. It is no unpickler: nothing named in the file is ever
 * looked up, imported or called. The few names of torch_names.ts have a fixed meaning; any other is refused.
 *
 * Source of the opcodes: CPython's pickletools.py, protocols 2 to 4; of their use: torch/serialization.py, torch/_utils.py.
 * Python ints beyond 2^53, bytes, sets, persistent ids in text form, POP, DUP, INST, OBJ, EXT, NEXT_BUFFER: refused by name.
 */
import { advice, quoted, refuse } from './refuse';
import {
  callOf,
  type Dict,
  type Global,
  giveState,
  globalOf,
  objectOf,
  type PickleHost,
  type PickleValue,
  storageOf,
  Tuple,
} from './torch_names';

export const pickleLimits = {
  bytes: 8 << 20, // data.pkl of ViT-L/14 has 0.1 MB, of a training checkpoint with optimizer states below 1 MB
  opcodes: 2_000_000,
  budget: 400_000, // what is kept: 1 an item, 4 a container
  stack: 65_536,
  marks: 256,
  string: 65_536, // bytes
} as const;

/** The one value in `bytes`. Throws CHECKPOINT_REFUSED for anything but tensors, dicts, lists, tuples, texts and numbers. */
export function readPickle(bytes: Buffer, host: PickleHost): PickleValue {
  return new Reader(bytes, host).run();
}

class Reader {
  private at = 0;
  private spent = 0;
  private readonly stack: PickleValue[] = [];
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, PickleValue>();

  constructor(
    private readonly bytes: Buffer,
    private readonly host: PickleHost,
  ) {}

  run(): PickleValue {
    if (this.bytes.length > pickleLimits.bytes) this.refuse(`has ${this.bytes.length} bytes, at most ${pickleLimits.bytes} are expected`);
    if (this.u8() !== 0x80) this.refuse('does not begin as a pickle');
    const protocol = this.u8();
    if (protocol < 2 || protocol > 4) this.refuse(`is a pickle of protocol ${protocol}, expected 2 to 4`);
    for (let n = 0; n < pickleLimits.opcodes; n++) {
      const opcode = this.u8();
      if (opcode === 0x2e) return this.stop();
      this.step(opcode);
    }
    return this.refuse(`has more than ${pickleLimits.opcodes} operations`);
  }

  private stop(): PickleValue {
    if (this.at !== this.bytes.length) this.refuse(`goes on for ${this.bytes.length - this.at} bytes behind its end`);
    if (this.stack.length !== 1 || this.marks.length !== 0) this.refuse(`ends with ${this.stack.length} values, expected one`);
    return this.pop();
  }

  private step(opcode: number): void {
    const value = this.value(opcode);
    if (value === undefined) this.act(opcode);
    else this.push(value);
  }

  /** The value an opcode makes; undefined for those that work on values already there. */
  private value(opcode: number): PickleValue | undefined {
    switch (opcode) {
      case 0x4e: // NONE
        return null;
      case 0x88: // NEWTRUE
        return true;
      case 0x89: // NEWFALSE
        return false;
      case 0x4a: // BININT
        return this.bytes.readInt32LE(this.skip(4));
      case 0x4b: // BININT1
        return this.u8();
      case 0x4d: // BININT2
        return this.bytes.readUInt16LE(this.skip(2));
      case 0x8a: // LONG1
        return this.long();
      case 0x47: // BINFLOAT
        return this.bytes.readDoubleBE(this.skip(8));
      case 0x58: // BINUNICODE
        return this.text(this.u32());
      case 0x8c: // SHORT_BINUNICODE
        return this.text(this.u8());
      case 0x29: // EMPTY_TUPLE
        return this.tuple([]);
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.tuple(this.popMany(opcode - 0x84));
      case 0x74: // TUPLE
        return this.tuple(this.popToMark());
      case 0x5d: // EMPTY_LIST
        return this.container([]);
      case 0x7d: // EMPTY_DICT
        return this.container(new Map());
      case 0x68: // BINGET
        return this.recall(this.u8());
      case 0x6a: // LONG_BINGET
        return this.recall(this.u32());
      case 0x63: // GLOBAL
        return this.global(this.line(), this.line());
      case 0x93: // STACK_GLOBAL
        return this.stackGlobal();
      case 0x51: // BINPERSID
        return storageOf(this.host, this.pop());
      case 0x81: // NEWOBJ
        return this.newObject();
      case 0x52: // REDUCE
        return this.reduce();
      default:
        return undefined;
    }
  }

  private act(opcode: number): void {
    switch (opcode) {
      case 0x28: // MARK
        if (this.marks.length >= pickleLimits.marks) this.refuse(`nests deeper than ${pickleLimits.marks}`);
        this.marks.push(this.stack.length);
        break;
      case 0x61: // APPEND
        this.append(this.popMany(1));
        break;
      case 0x65: // APPENDS
        this.append(this.popToMark());
        break;
      case 0x73: // SETITEM
        this.setItems(this.popMany(2));
        break;
      case 0x75: // SETITEMS
        this.setItems(this.popToMark());
        break;
      case 0x71: // BINPUT
        this.put(this.u8());
        break;
      case 0x72: // LONG_BINPUT
        this.put(this.u32());
        break;
      case 0x94: // MEMOIZE
        this.put(this.memo.size);
        break;
      case 0x95: // FRAME
        if (this.bytes.readBigUInt64LE(this.skip(8)) > BigInt(this.bytes.length - this.at)) this.refuse('has a frame longer than itself');
        break;
      case 0x62: // BUILD
        this.build();
        break;
      default: {
        const number = `0x${opcode.toString(16).padStart(2, '0')}`;
        this.refuse(`uses the pickle operation ${number} at byte ${this.at - 1}, which weights never need`, advice.weightsOnly);
      }
    }
  }

  private stackGlobal(): Global {
    const [module, name] = this.popMany(2);
    if (typeof module !== 'string' || typeof name !== 'string') return this.refuse('names a class by something that is no text');
    return this.global(module, name);
  }

  private global(module: string, name: string): Global {
    this.spend(4);
    return globalOf(this.host, module, name);
  }

  private newObject(): PickleValue {
    this.spend(4);
    const [type = null, args = null] = this.popMany(2);
    return objectOf(this.host, type, args);
  }

  private reduce(): PickleValue {
    this.spend(4);
    const [callable = null, args = null] = this.popMany(2);
    return callOf(this.host, callable, args);
  }

  private build(): void {
    const state = this.pop();
    giveState(this.host, this.stack.at(-1) ?? null, state);
  }

  private append(items: PickleValue[]): void {
    const list = this.stack.at(-1);
    if (!Array.isArray(list)) this.refuse('appends to something that is no list');
    this.spend(items.length);
    for (const item of items) list.push(item);
  }

  private setItems(items: PickleValue[]): void {
    const dict = this.stack.at(-1);
    if (!(dict instanceof Map) || items.length % 2 !== 0) this.refuse('sets items of something that is no dict');
    this.spend(items.length);
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (typeof key !== 'string' && typeof key !== 'number') this.refuse('has a key that is neither text nor number');
      if (dict.has(key)) this.refuse(`has the key ${quoted(String(key))} twice`);
      dict.set(key, items[i + 1] ?? null);
    }
  }

  private container<T extends PickleValue[] | Dict>(empty: T): T {
    this.spend(4);
    return empty;
  }

  private tuple(items: PickleValue[]): Tuple {
    this.spend(4 + items.length);
    return new Tuple(items);
  }

  private put(index: number): void {
    const top = this.stack.at(-1);
    if (top === undefined) this.refuse('remembers a value before there is one');
    this.spend(1);
    this.memo.set(index, top);
  }

  private recall(index: number): PickleValue {
    const value = this.memo.get(index);
    if (value === undefined) return this.refuse(`recalls value ${index}, which was never remembered`);
    return value;
  }

  private push(value: PickleValue): void {
    if (this.stack.length >= pickleLimits.stack) this.refuse(`keeps more than ${pickleLimits.stack} values at a time`);
    this.stack.push(value);
  }

  private pop(): PickleValue {
    const [value = null] = this.popMany(1);
    return value;
  }

  /** The top `count` values, none of them below the last mark. */
  private popMany(count: number): PickleValue[] {
    if (this.stack.length - count < (this.marks.at(-1) ?? 0)) this.refuse('takes a value where there is none');
    return this.stack.splice(this.stack.length - count);
  }

  private popToMark(): PickleValue[] {
    const mark = this.marks.pop();
    if (mark === undefined) return this.refuse('takes values down to a mark that was never set');
    return this.stack.splice(mark);
  }

  /** Moves on by `count` bytes that must be there; returns where they begin. */
  private skip(count: number): number {
    if (this.at + count > this.bytes.length) this.refuse(`is cut short at byte ${this.bytes.length}`);
    this.at += count;
    return this.at - count;
  }

  private take(count: number): Buffer {
    const from = this.skip(count);
    return this.bytes.subarray(from, this.at);
  }

  private u8(): number {
    return this.bytes.readUInt8(this.skip(1));
  }

  private u32(): number {
    return this.bytes.readUInt32LE(this.skip(4));
  }

  private long(): number {
    const length = this.u8();
    if (length > 8) this.refuse(`has an integer of ${length} bytes`);
    const value = length === 0 ? 0n : BigInt.asIntN(length * 8, BigInt(`0x${Buffer.from(this.take(length)).reverse().toString('hex')}`));
    if (!Number.isSafeInteger(Number(value))) this.refuse(`has the integer ${value}, beyond 2^53`);
    return Number(value);
  }

  private text(length: number): string {
    if (length > pickleLimits.string) this.refuse(`has a text of ${length} bytes, at most ${pickleLimits.string} are expected`);
    return this.decode(this.take(length));
  }

  private line(): string {
    const end = this.bytes.indexOf(10, this.at);
    if (end < 0 || end - this.at > 512) this.refuse('has a name without an end');
    const line = this.decode(this.bytes.subarray(this.at, end));
    this.at = end + 1;
    return line;
  }

  private decode(bytes: Buffer): string {
    const text = bytes.toString('utf8');
    if (text.includes('\ufffd')) this.refuse('has a text that is not UTF-8');
    return text;
  }

  private spend(cost: number): void {
    this.spent += cost;
    if (this.spent > pickleLimits.budget) this.refuse('holds more values than any set of weights needs');
  }

  private refuse(what: string, todo?: string): never {
    return refuse(this.host.where, what, todo);
  }
}
