/**
 * Safetensors files: 8 bytes of header length (little-endian), a JSON header, the tensors' bytes in C order.
 * Source: huggingface/safetensors README, "Format". Its rules are checked in full: the tensors' ranges follow one another without
 * gap or overlap to the last byte of the file. (A name given twice thus leaves a gap, or means the same bytes.)
 * The format has no checksum: a changed weight cannot be seen here, only by the hash of the whole file.
 */
import { bytesOf, type DType } from './dtypes';
import type { RandomAccessFile } from './file';
import { quoted, refuse } from './refuse';
import { contiguousStrides, type LazyTensor, numelOf, type Storage, StridedTensor } from './tensors';

const limits = { header: 8 << 20, tensors: 100_000, name: 512 } as const;

const dtypes: Readonly<Record<string, DType>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  I64: 'int64',
  I32: 'int32',
  I16: 'int16',
  I8: 'int8',
  U8: 'uint8',
  BOOL: 'bool',
};

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const isNaturals = (value: unknown): value is number[] => Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);

/** Reads the header. Throws CHECKPOINT_REFUSED. */
export function readSafetensors(file: RandomAccessFile): {
  tensors: ReadonlyMap<string, LazyTensor>;
  metadata: ReadonlyMap<string, string>;
} {
  const where = file.path;
  if (file.size < 10) refuse(where, `has only ${file.size} bytes`);
  const length = file.read(0, 8).readBigUInt64LE(0);
  if (length > BigInt(Math.min(limits.header, file.size - 8))) {
    refuse(where, `claims a header of ${length} bytes; the file has ${file.size}, and at most ${limits.header} are expected`);
  }
  const start = 8 + Number(length);
  const header = parseHeader(where, file.read(8, Number(length)));
  const metadata = new Map<string, string>();
  const found: { tensor: LazyTensor; begin: number; end: number }[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      if (!isRecord(entry)) refuse(where, 'its __metadata__ is no object');
      for (const [key, value] of Object.entries(entry)) {
        if (typeof value !== 'string') refuse(where, `its __metadata__ has ${quoted(key)}, which is no text`);
        metadata.set(key, value);
      }
    } else {
      if (name.length === 0 || name.length > limits.name) refuse(where, `has a tensor with a name of ${name.length} characters`);
      found.push(parseTensor(file, start, name, entry));
    }
  }
  if (found.length === 0) refuse(where, 'holds no tensors');
  if (found.length > limits.tensors) refuse(where, `holds ${found.length} tensors, at most ${limits.tensors} are expected`);
  checkRanges(where, found, file.size - start);
  return { tensors: new Map(found.map(({ tensor }) => [tensor.name, tensor])), metadata };
}

function parseHeader(where: string, bytes: Buffer): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(bytes.toString('utf8'));
    if (bytes[0] === 0x7b && isRecord(header)) return header;
  } catch {
    // refused below
  }
  return refuse(where, 'has a header that is not JSON of a safetensors file');
}

function parseTensor(file: RandomAccessFile, start: number, name: string, entry: unknown) {
  const where = file.path;
  const wrong = (what: string) => refuse(where, `tensor ${quoted(name)} ${what}`);
  if (!isRecord(entry)) return wrong('is not described by an object');
  const { dtype: code, shape, data_offsets: range } = entry;
  const dtype = typeof code === 'string' && Object.hasOwn(dtypes, code) ? dtypes[code] : undefined;
  if (!dtype) return wrong(`has dtype ${quoted(String(code))}, expected one of ${Object.keys(dtypes).join(', ')}`);
  if (!isNaturals(shape) || shape.length > 8) return wrong('has a shape that is no list of at most 8 sizes');
  const [begin, end] = isNaturals(range) && range.length === 2 ? range : [];
  if (begin === undefined || end === undefined) return wrong('has data_offsets that are no two places');
  const bytes = numelOf(shape) * bytesOf[dtype];
  if (begin > end || end > file.size - start) return wrong(`lies at bytes ${begin} to ${end}, outside the file's data`);
  if (end - begin !== bytes) return wrong(`has ${end - begin} bytes, shape [${shape.join()}] of ${dtype} takes ${bytes}`);
  const storage: Storage = {
    where,
    name,
    dtype,
    numel: numelOf(shape),
    readInto: (offset, target) => {
      if (offset + target.byteLength > bytes) wrong('is read beyond its end');
      file.readInto(start + begin + offset, target);
    },
  };
  return { tensor: new StridedTensor(name, storage, 0, shape, contiguousStrides(shape)), begin, end };
}

function checkRanges(where: string, found: readonly { tensor: LazyTensor; begin: number; end: number }[], size: number): void {
  let at = 0;
  for (const { tensor, begin, end } of found.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < at) refuse(where, `tensor ${quoted(tensor.name)} overlaps another`);
    if (begin > at) refuse(where, `nothing is said about bytes ${at} to ${begin} of its data`);
    at = end;
  }
  if (at !== size) refuse(where, `its data has ${size} bytes, its header describes ${at}`);
}
