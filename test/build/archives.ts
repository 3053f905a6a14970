/** Writers of PyTorch archives, safetensors and pickles for tests: sound ones, and ones with any single thing wrong. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { crc32 } from '../../src/crc32';

export function temporaryFolder(): { path: string; write: (name: string, bytes: Uint8Array) => string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'verdictd-build-'));
  return {
    path,
    write: (name, bytes) => {
      const file = join(path, name);
      writeFileSync(file, bytes);
      return file;
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

const u16 = (n: number) => Buffer.from([n & 255, (n >>> 8) & 255]);
const u32 = (n: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(n >>> 0);
  return bytes;
};
const u64 = (n: number | bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(n));
  return bytes;
};

/** Pickle opcodes, enough to say what torch says and what an attacker would. */
export const op = {
  none: Buffer.from('N'),
  true: Buffer.from([0x88]),
  false: Buffer.from([0x89]),
  mark: Buffer.from('('),
  emptyTuple: Buffer.from(')'),
  emptyDict: Buffer.from('}'),
  emptyList: Buffer.from(']'),
  setItem: Buffer.from('s'),
  setItems: Buffer.from('u'),
  appends: Buffer.from('e'),
  reduce: Buffer.from('R'),
  build: Buffer.from('b'),
  newObject: Buffer.from([0x81]),
  persistent: Buffer.from('Q'),
  stop: Buffer.from('.'),
  stackGlobal: Buffer.from([0x93]),
  text: (s: string) => Buffer.concat([Buffer.from('X'), u32(Buffer.byteLength(s)), Buffer.from(s)]),
  shortText: (s: string) => Buffer.concat([Buffer.from([0x8c, Buffer.byteLength(s)]), Buffer.from(s)]),
  put: (n: number) => (n < 256 ? Buffer.from([0x71, n]) : Buffer.concat([Buffer.from('r'), u32(n)])),
  get: (n: number) => (n < 256 ? Buffer.from([0x68, n]) : Buffer.concat([Buffer.from('j'), u32(n)])),
  global: (module: string, name: string) => Buffer.from(`c${module}\n${name}\n`),
  float: (n: number) => {
    const bytes = Buffer.alloc(9);
    bytes.write('G');
    bytes.writeDoubleBE(n, 1);
    return bytes;
  },
  int: (n: number | bigint) => {
    if (typeof n === 'number' && n >= 0 && n < 256) return Buffer.from([0x4b, n]);
    if (n >= -(2 ** 31) && n < 2 ** 31) return Buffer.concat([Buffer.from('J'), u32(Number(n))]);
    return Buffer.concat([Buffer.from([0x8a, 8]), u64(BigInt.asUintN(64, BigInt(n)))]);
  },
  tuple: (...items: Buffer[]) => Buffer.concat([op.mark, ...items, Buffer.from('t')]),
  call: (module: string, name: string, ...args: Buffer[]) => Buffer.concat([op.global(module, name), op.tuple(...args), op.reduce]),
  dict: (items: Record<string, Buffer>) =>
    Buffer.concat([op.emptyDict, op.mark, ...Object.entries(items).flatMap(([key, value]) => [op.text(key), value]), op.setItems]),
  orderedDict: (items: Record<string, Buffer>) =>
    Buffer.concat([
      op.global('collections', 'OrderedDict'),
      op.emptyTuple,
      op.reduce,
      op.mark,
      ...Object.entries(items).flatMap(([key, value]) => [op.text(key), value]),
      op.setItems,
    ]),
  pickle: (...body: Buffer[]) => Buffer.concat([Buffer.from([0x80, 2]), ...body, op.stop]),
};

export interface TensorSpec {
  type?: string; // FloatStorage
  key?: string;
  numel?: number | bigint;
  location?: string;
  offset?: number | bigint;
  size?: readonly (number | bigint)[];
  stride?: readonly (number | bigint)[];
  hooks?: Buffer;
}

const ints = (values: readonly (number | bigint)[]) => op.tuple(...values.map(op.int));

export function storageId(spec: TensorSpec): Buffer {
  const { type = 'FloatStorage', key = '0', numel = 6, location = 'cpu' } = spec;
  return Buffer.concat([
    op.tuple(op.text('storage'), op.global('torch', type), op.text(key), op.text(location), op.int(numel)),
    op.persistent,
  ]);
}

/** A tensor as torch.save writes it; by default [2,3] on a FloatStorage of 6. */
export function tensor(spec: TensorSpec = {}): Buffer {
  const { offset = 0, size = [2, 3], stride = [3, 1], hooks = op.orderedDict({}) } = spec;
  return op.call('torch._utils', '_rebuild_tensor_v2', storageId(spec), op.int(offset), ints(size), ints(stride), op.false, hooks);
}

export interface EntrySpec {
  name: string;
  data: Uint8Array;
  deflate?: boolean;
  /** What is written instead of the truth. */
  lie?: {
    centralName?: string;
    flags?: number;
    centralFlags?: number;
    method?: number;
    crc?: number;
    size?: number;
    compressedSize?: number;
    localSize?: number;
    offset?: number;
    attributes?: number;
    extra?: Buffer;
  };
}

export interface EndSpec {
  count?: number;
  size?: number;
  offset?: number;
  disk?: number;
  comment?: Buffer;
  /** A zip64 end record and locator, as torch always writes them, with these values instead of the truth. */
  zip64?: { count?: number | bigint; size?: number | bigint; offset?: number | bigint; locator?: number | bigint };
}

/** A zip archive with data 64 byte aligned as torch does it. */
export function zip(entries: readonly EntrySpec[], end: EndSpec = {}): Buffer {
  const parts: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  const add = (part: Buffer) => {
    parts.push(part);
    at += part.length;
  };
  for (const { name, data, deflate = false, lie = {} } of entries) {
    const content = deflate ? deflateRawSync(data) : Buffer.from(data);
    const method = lie.method ?? (deflate ? 8 : 0);
    const flags = lie.flags ?? 0x0800;
    const crc = lie.crc ?? crc32(data);
    const size = lie.size ?? data.length;
    const compressed = lie.compressedSize ?? content.length;
    const offset = at;
    const padding = (64 - ((at + 30 + Buffer.byteLength(name) + 4) % 64)) % 64;
    const local = [
      u16(0),
      u16(flags),
      u16(method),
      u32(0),
      u32(crc),
      u32(compressed),
      u32(lie.localSize ?? size),
      u16(Buffer.byteLength(name)),
    ];
    add(Buffer.concat([Buffer.from('PK\x03\x04'), ...local, u16(padding + 4), Buffer.from(name)]));
    add(Buffer.concat([Buffer.from('FB'), u16(padding), Buffer.alloc(padding, 'Z'), content]));
    const shown = Buffer.from(lie.centralName ?? name);
    const extra = lie.extra ?? Buffer.alloc(0);
    const head = [u16(0), u16(0), u16(lie.centralFlags ?? flags), u16(method), u32(0), u32(crc), u32(compressed), u32(size)];
    const tail = [u16(shown.length), u16(extra.length), u16(0), u16(0), u16(0), u32(lie.attributes ?? 0), u32(lie.offset ?? offset)];
    central.push(Buffer.concat([Buffer.from('PK\x01\x02'), ...head, ...tail, shown, extra]));
  }
  const directory = Buffer.concat(central);
  const start = at;
  add(directory);
  if (end.zip64) {
    const { count = entries.length, size = directory.length, offset = start, locator = at } = end.zip64;
    const record = [u64(44), u16(0x31e), u16(45), u32(0), u32(0), u64(count), u64(count), u64(size), u64(offset)];
    add(Buffer.concat([Buffer.from('PK\x06\x06'), ...record, Buffer.from('PK\x06\x07'), u32(0), u64(locator), u32(1)]));
  }
  const count = u16(end.count ?? entries.length);
  const comment = end.comment ?? Buffer.alloc(0);
  const disk = u16(end.disk ?? 0);
  const where = [u32(end.size ?? directory.length), u32(end.offset ?? start), u16(comment.length)];
  return Buffer.concat([...parts, Buffer.from('PK\x05\x06'), disk, disk, count, count, ...where, comment]);
}

const six = Buffer.from(new Float32Array([1, 2, 3, 4, 5, 6]).buffer);

/** Entries of an archive of torch.save; `storages` by key, six floats under '0' by default. */
export function torchEntries(pickle: Buffer, storages: Record<string, Uint8Array> = { '0': six }, root = 'archive'): EntrySpec[] {
  return [
    { name: `${root}/data.pkl`, data: pickle },
    ...Object.entries(storages).map(([key, data]) => ({ name: `${root}/data/${key}`, data })),
    { name: `${root}/version`, data: Buffer.from('3\n') },
  ];
}

export const torchFile = (pickle: Buffer, storages?: Record<string, Uint8Array>): Buffer =>
  zip(torchEntries(pickle, storages), { zip64: {} });

/** Adds what makes an archive TorchScript. */
export const scriptFile = (pickle: Buffer, storages?: Record<string, Uint8Array>): Buffer =>
  zip([
    ...torchEntries(pickle, storages),
    { name: 'archive/constants.pkl', data: op.pickle(op.emptyTuple) },
    { name: 'archive/code/__torch__/a.py', data: Buffer.from('class A(Module):\n'.repeat(20)), deflate: true },
  ]);

/** A safetensors file from a header (any JSON) and data. */
export function safetensors(header: object | string, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  return Buffer.concat([u64(json.length), json, data]);
}

/** A safetensors file of float32 tensors. */
export function safetensorsOf(tensors: ReadonlyMap<string, { shape: readonly number[]; values: Float32Array }>): Buffer {
  const header: Record<string, object> = {};
  const parts: Buffer[] = [];
  let at = 0;
  for (const [name, { shape, values }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + values.byteLength] };
    parts.push(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
    at += values.byteLength;
  }
  return safetensors(header, Buffer.concat(parts));
}
