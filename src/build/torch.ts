/**
 * Checkpoints of PyTorch: zip archives of torch.save (1.6 and later) and TorchScript archives of torch.jit.save.
 * Layout (torch/serialization.py, caffe2/serialize/inline_container.h): `<root>/data.pkl`, one `<root>/data/<key>` a storage,
 * `<root>/version`, sometimes `<root>/byteorder`; TorchScript adds `<root>/constants.pkl` and `<root>/code/`.
 */
import { crc32 } from '../crc32';
import { bytesOf, type DType } from './dtypes';
import type { RandomAccessFile } from './file';
import { pickleLimits, readPickle } from './pickle';
import { advice, quoted, refuse } from './refuse';
import { type LazyTensor, type Storage, StridedTensor } from './tensors';
import { Inert, type PickleHost, type PickleValue } from './torch_names';
import { Zip, type ZipEntry } from './zip';

const limits = { depth: 64, nodes: 200_000, name: 512 } as const;

/** One storage of an archive. Its checksum is compared once, before the first of its elements is handed out. */
class ArchiveStorage implements Storage {
  readonly where: string;
  private verified = false;

  constructor(
    private readonly file: RandomAccessFile,
    readonly name: string,
    private readonly entry: ZipEntry,
    readonly dtype: DType,
    readonly numel: number,
  ) {
    this.where = file.path;
  }

  readInto(offset: number, target: Uint8Array): void {
    const { entry } = this;
    if (offset + target.byteLength > entry.size) refuse(this.where, `entry ${quoted(entry.name)} is read beyond its end`);
    const whole = target.byteLength === entry.size;
    if (!this.verified && !whole) this.verify();
    this.file.readInto(entry.dataOffset + offset, target);
    if (whole && !this.verified) this.compare(crc32(target));
  }

  private verify(): void {
    const piece = new Uint8Array(Math.min(this.entry.size, 1 << 20));
    let crc = 0;
    for (let at = 0; at < this.entry.size; at += piece.length) {
      const part = piece.subarray(0, Math.min(piece.length, this.entry.size - at));
      this.file.readInto(this.entry.dataOffset + at, part);
      crc = crc32(part, crc);
    }
    this.compare(crc);
  }

  private compare(crc: number): void {
    if (crc !== this.entry.crc) refuse(this.where, `entry ${quoted(this.entry.name)} does not match its checksum`);
    this.verified = true;
  }
}

/** Tensors by their dotted names, in the order of the file. */
export interface TorchContents {
  format: 'torch' | 'torchscript';
  tensors: ReadonlyMap<string, LazyTensor>;
}

/** Reads the index of an archive. Throws CHECKPOINT_REFUSED. */
export function readTorch(file: RandomAccessFile): TorchContents {
  const zip = Zip.open(file);
  const root = rootOf(zip);
  const version = zip.read(`${root}/version`, 32).toString('latin1').trim();
  if (!/^\d{1,3}$/.test(version)) refuse(file.path, `its format version is ${quoted(version)}, expected a number`);
  if (zip.entries.has(`${root}/byteorder`)) {
    const order = zip.read(`${root}/byteorder`, 32).toString('latin1').trim();
    if (order !== 'little')
      refuse(file.path, `its byte order is ${quoted(order)}, expected "little"`, 'Save it again on a little-endian machine.');
  }
  const torchScript = zip.entries.has(`${root}/constants.pkl`);
  const storages = new Map<string, ArchiveStorage>();
  const host: PickleHost = {
    where: `${file.path}, ${quoted(`${root}/data.pkl`)}`,
    torchScript,
    storage: (key, dtype, numel) => storageOf(zip, root, storages, key, dtype, numel),
  };
  const tree = readPickle(zip.read(`${root}/data.pkl`, pickleLimits.bytes), host);
  return { format: torchScript ? 'torchscript' : 'torch', tensors: flatten(tree, host.where) };
}

function rootOf(zip: Zip): string {
  const roots = new Set([...zip.entries.keys()].map((name) => name.slice(0, Math.max(name.indexOf('/'), 0))));
  const [root = ''] = roots;
  if (roots.size !== 1 || root === '' || !zip.entries.has(`${root}/data.pkl`)) {
    refuse(zip.file.path, 'is a zip archive, but none of PyTorch: it has no single folder with a data.pkl', advice.weightsOnly);
  }
  return root;
}

function storageOf(zip: Zip, root: string, known: Map<string, ArchiveStorage>, key: string, dtype: DType, numel: number): Storage {
  const where = zip.file.path;
  if (!/^\w{1,64}$/.test(key)) refuse(where, `has a storage named ${quoted(key)}`);
  if (!Number.isSafeInteger(numel) || numel < 0) refuse(where, `storage ${key} claims ${numel} elements`);
  const before = known.get(key);
  if (before) {
    if (before.dtype !== dtype || before.numel !== numel) refuse(where, `storage ${key} is described in two ways that differ`);
    return before;
  }
  const entry = zip.entry(`${root}/data/${key}`);
  if (entry.size !== numel * bytesOf[dtype]) {
    refuse(where, `storage ${key} claims ${numel} elements of ${dtype}, its entry has ${entry.size} bytes`);
  }
  const storage = new ArchiveStorage(zip.file, key, entry, dtype, numel);
  known.set(key, storage);
  return storage;
}

/** Walks dicts and TorchScript objects; lists (optimizer groups and the like) hold no weights and are left out. */
function flatten(tree: PickleValue, where: string): ReadonlyMap<string, LazyTensor> {
  const tensors = new Map<string, LazyTensor>();
  const path = new Set<PickleValue>();
  let nodes = 0;
  const walk = (value: PickleValue, name: string): void => {
    if (value instanceof StridedTensor) {
      if (name === '' || name.length > limits.name) refuse(where, `has a tensor with a name of ${name.length} characters`);
      if (tensors.has(name)) refuse(where, `has two tensors named ${quoted(name)}`);
      tensors.set(name, value.renamed(name));
      return;
    }
    const members = value instanceof Inert ? value.attributes : value instanceof Map ? value : null;
    if (!members) return;
    if (path.has(value)) refuse(where, `${quoted(name)} contains itself`);
    if (path.size >= limits.depth) refuse(where, `${quoted(name)} is nested deeper than ${limits.depth}`);
    path.add(value);
    for (const [key, member] of members) {
      if (++nodes > limits.nodes) refuse(where, `has more than ${limits.nodes} named values`);
      walk(member, name === '' ? String(key) : `${name}.${key}`);
    }
    path.delete(value);
  };
  walk(tree, '');
  if (tensors.size === 0) refuse(where, 'holds no tensors', advice.weightsOnly);
  return tensors;
}
