/**
 * Random access to the zip archives PyTorch writes. Source: PKWARE APPNOTE 6.3.10, sections 4.3 to 4.5.
 *
 * Strict on purpose: one end record at the very end, one central directory right before it, entries that do not overlap, plain
 * relative names. Only STORED entries are ever read, so nothing can grow on reading. TorchScript archives carry their source code
 * deflated; such entries may be present and are never inflated.
 */
import { crc32 } from '../crc32';
import type { RandomAccessFile } from './file';
import { quoted, refuse } from './refuse';

const END = { signature: 0x06054b50, bytes: 22 };
const END64_LOCATOR = { signature: 0x07064b50, bytes: 20 };
const END64 = { signature: 0x06064b50, bytes: 56 };
const CENTRAL = { signature: 0x02014b50, bytes: 46 };
const LOCAL = { signature: 0x04034b50, bytes: 30 };

const limits = {
  entries: 20_000, // ViT-L/14 as TorchScript has about 1 500
  directory: 8 << 20, // bytes
  name: 512, // bytes
  ratio: 100, // uncompressed : compressed of a deflated entry; source code reaches about 10
} as const;

const NOT_TORCH = 'Use the file as PyTorch wrote it, not unpacked and packed again.';

export interface ZipEntry {
  readonly name: string;
  readonly stored: boolean; // false: deflated, cannot be read
  readonly size: number; // bytes, uncompressed
  readonly crc: number;
  readonly dataOffset: number; // byte of the file where the data begins
}

interface CentralEntry extends Omit<ZipEntry, 'dataOffset'> {
  method: number;
  flags: number;
  compressedSize: number;
  headerOffset: number;
}

/** The index of an archive. It reads nothing of an entry's data until asked. */
export class Zip {
  private constructor(
    readonly file: RandomAccessFile,
    readonly entries: ReadonlyMap<string, ZipEntry>,
  ) {}

  /** Reads and checks directory and local headers. Throws CHECKPOINT_REFUSED naming what is wrong. */
  static open(file: RandomAccessFile): Zip {
    const directory = locateDirectory(file);
    const central = readDirectory(file, directory);
    const entries = new Map<string, ZipEntry>();
    let end = 0;
    let before = '';
    for (const entry of central.sort((a, b) => a.headerOffset - b.headerOffset)) {
      if (entry.headerOffset < end) refuse(file.path, `entries ${quoted(before)} and ${quoted(entry.name)} overlap`);
      const dataOffset = readLocalHeader(file, entry, directory.offset);
      end = dataOffset + entry.compressedSize;
      before = entry.name;
      entries.set(entry.name, { name: entry.name, stored: entry.stored, size: entry.size, crc: entry.crc, dataOffset });
    }
    return new Zip(file, entries);
  }

  /** The whole of a small entry, its checksum compared. `most` bounds its bytes. */
  read(name: string, most: number): Buffer {
    const entry = this.entry(name);
    if (entry.size > most) refuse(this.file.path, `entry ${quoted(name)} has ${entry.size} bytes, at most ${most} are expected`);
    const bytes = this.file.read(entry.dataOffset, entry.size);
    if (crc32(bytes) !== entry.crc) refuse(this.file.path, `entry ${quoted(name)} does not match its checksum`);
    return bytes;
  }

  /** The entry of that name, which must be stored (not compressed). */
  entry(name: string): ZipEntry {
    const entry = this.entries.get(name);
    if (!entry) return refuse(this.file.path, `entry ${quoted(name)} is missing`);
    if (!entry.stored) refuse(this.file.path, `entry ${quoted(name)} is compressed; PyTorch stores it as it is`, NOT_TORCH);
    return entry;
  }
}

interface Directory {
  offset: number;
  size: number;
  count: number;
}

/** Finds the central directory through the end record, and through its 64 bit form where there is one (4.3.14 to 4.3.16). */
function locateDirectory(file: RandomAccessFile): Directory {
  if (file.size < END.bytes) refuse(file.path, `has only ${file.size} bytes`);
  const endOffset = file.size - END.bytes;
  const end = file.read(endOffset, END.bytes);
  if (end.readUInt32LE(0) !== END.signature || end.readUInt16LE(20) !== 0) {
    refuse(file.path, 'does not end in the end record of a zip archive (it is cut short, or something was appended)');
  }
  if (end.readUInt16LE(4) !== 0 || end.readUInt16LE(6) !== 0) refuse(file.path, 'is one part of a split archive', NOT_TORCH);
  const short = { here: end.readUInt16LE(8), count: end.readUInt16LE(10), size: end.readUInt32LE(12), offset: end.readUInt32LE(16) };
  const long = readEnd64(file, endOffset);
  const differs = (name: string) => refuse(file.path, `the two end records do not agree on the ${name} of the directory`);
  if (long) {
    if (short.count !== 0xffff && short.count !== long.count) differs('entries');
    if (short.size !== 0xffffffff && short.size !== long.size) differs('size');
    if (short.offset !== 0xffffffff && short.offset !== long.offset) differs('place');
  }
  const { offset, size, count } = long ?? short;
  if (short.here !== short.count) differs('entries');
  if (count > limits.entries) refuse(file.path, `claims ${count} entries, at most ${limits.entries} are expected`);
  if (size > limits.directory) refuse(file.path, `claims a directory of ${size} bytes, at most ${limits.directory} are expected`);
  if (offset + size !== (long?.at ?? endOffset)) {
    refuse(file.path, `claims its directory at bytes ${offset} to ${offset + size}, which is not right before its end record`);
  }
  return { offset, size, count };
}

function readEnd64(file: RandomAccessFile, endOffset: number): (Directory & { at: number }) | null {
  if (endOffset < END64_LOCATOR.bytes + END64.bytes) return null;
  const locatorOffset = endOffset - END64_LOCATOR.bytes;
  const locator = file.read(locatorOffset, END64_LOCATOR.bytes);
  if (locator.readUInt32LE(0) !== END64_LOCATOR.signature) return null;
  const at = uint64(file, locator, 8);
  if (at !== locatorOffset - END64.bytes || locator.readUInt32LE(4) !== 0 || locator.readUInt32LE(16) > 1) {
    refuse(file.path, `its zip64 locator points to byte ${at} instead of the record before it`);
  }
  const record = file.read(at, END64.bytes);
  if (record.readUInt32LE(0) !== END64.signature || uint64(file, record, 4) !== END64.bytes - 12) {
    refuse(file.path, 'its zip64 end record is not one');
  }
  const count = uint64(file, record, 32);
  if (record.readUInt32LE(16) !== 0 || record.readUInt32LE(20) !== 0 || uint64(file, record, 24) !== count) {
    refuse(file.path, 'its zip64 end record belongs to a split archive', NOT_TORCH);
  }
  return { at, count, size: uint64(file, record, 40), offset: uint64(file, record, 48) };
}

function readDirectory(file: RandomAccessFile, directory: Directory): CentralEntry[] {
  const bytes = file.read(directory.offset, directory.size);
  const entries: CentralEntry[] = [];
  const names = new Set<string>();
  let at = 0;
  while (at < bytes.length) {
    if (at + CENTRAL.bytes > bytes.length || bytes.readUInt32LE(at) !== CENTRAL.signature) {
      refuse(file.path, `its directory breaks off at entry ${entries.length + 1} of ${directory.count}`);
    }
    const next = at + CENTRAL.bytes + bytes.readUInt16LE(at + 28) + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
    if (next > bytes.length) refuse(file.path, `entry ${entries.length + 1} of its directory is longer than the directory`);
    const entry = readCentralEntry(file, bytes.subarray(at, next));
    if (names.has(entry.name)) refuse(file.path, `has two entries named ${quoted(entry.name)}`);
    names.add(entry.name);
    entries.push(entry);
    at = next;
  }
  if (entries.length !== directory.count) refuse(file.path, `claims ${directory.count} entries and lists ${entries.length}`);
  return entries;
}

function readCentralEntry(file: RandomAccessFile, record: Buffer): CentralEntry {
  const nameEnd = CENTRAL.bytes + record.readUInt16LE(28);
  const name = checkedName(file, record.subarray(CENTRAL.bytes, nameEnd));
  const refuseEntry = (what: string, todo?: string) => refuse(file.path, `entry ${quoted(name)} ${what}`, todo);
  const flags = record.readUInt16LE(8);
  const method = record.readUInt16LE(10);
  const kind = (record.readUInt32LE(38) >>> 28) & 15; // file type of st_mode, upper half of the external attributes
  if (kind !== 0 && kind !== 8) refuseEntry(kind === 10 ? 'is a symbolic link' : 'is not a plain file', NOT_TORCH);
  if (flags & 0x2041) refuseEntry('is encrypted', NOT_TORCH);
  if (method !== 0 && method !== 8) refuseEntry(`is compressed by method ${method}`, NOT_TORCH);
  if (record.readUInt16LE(34) !== 0 && record.readUInt16LE(34) !== 0xffff)
    refuseEntry('lies in another part of a split archive', NOT_TORCH);
  const extra = record.subarray(nameEnd, nameEnd + record.readUInt16LE(30));
  const wide = zip64Values(file, name, extra);
  const value = (offset: number, field: string) => {
    const short = record.readUInt32LE(offset);
    return short === 0xffffffff ? (wide.shift() ?? refuseEntry(`says its ${field} is in a zip64 field, and has none`)) : short;
  };
  const size = value(24, 'size');
  const compressedSize = value(20, 'compressed size');
  const headerOffset = value(42, 'place');
  if (method === 0 && size !== compressedSize) refuseEntry(`is stored, yet ${size} bytes of content take ${compressedSize}`);
  if (size > compressedSize * limits.ratio && size > 4096) {
    refuseEntry(`would grow from ${compressedSize} to ${size} bytes, as only a decompression bomb does`, NOT_TORCH);
  }
  return { name, stored: method === 0, method, flags, size, compressedSize, crc: record.readUInt32LE(16), headerOffset };
}

/** The 8 byte values of the zip64 extra field (4.5.3), in their fixed order: size, compressed size, place. */
function zip64Values(file: RandomAccessFile, name: string, extra: Buffer): number[] {
  let found: number[] | null = null;
  let at = 0;
  while (at + 4 <= extra.length) {
    const id = extra.readUInt16LE(at);
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (end > extra.length) refuse(file.path, `entry ${quoted(name)} has an extra field longer than its record`);
    if (id === 1) {
      if (found) refuse(file.path, `entry ${quoted(name)} has two zip64 fields`);
      found = [];
      for (let v = at + 4; v + 8 <= end; v += 8) found.push(uint64(file, extra, v));
    }
    at = end;
  }
  return found ?? [];
}

/** Checks the header in front of the data against the directory; returns where the data begins. */
function readLocalHeader(file: RandomAccessFile, entry: CentralEntry, directoryOffset: number): number {
  const name = Buffer.from(entry.name);
  const outside = () => refuse(file.path, `entry ${quoted(entry.name)} lies outside the file's data`);
  if (entry.headerOffset + LOCAL.bytes + name.length > directoryOffset) outside();
  const header = file.read(entry.headerOffset, LOCAL.bytes + name.length);
  const differs = (what: string) => refuse(file.path, `entry ${quoted(entry.name)}: header and directory do not agree on its ${what}`);
  if (header.readUInt32LE(0) !== LOCAL.signature) refuse(file.path, `entry ${quoted(entry.name)} has no header where the directory says`);
  if (header.readUInt16LE(6) !== entry.flags) differs('flags');
  if (header.readUInt16LE(8) !== entry.method) differs('compression');
  if (header.readUInt16LE(26) !== name.length || !header.subarray(LOCAL.bytes).equals(name)) differs('name');
  // With bit 3 the sizes follow the data and may be 0 here; a field of all ones is in the zip64 field, which torch pads.
  const follow = (entry.flags & 8) !== 0;
  const sizes = [
    [14, entry.crc, 'checksum'],
    [18, entry.compressedSize, 'compressed size'],
    [22, entry.size, 'size'],
  ] as const;
  for (const [at, expected, what] of sizes) {
    const value = header.readUInt32LE(at);
    if (value !== expected && !(follow && value === 0) && !(value === 0xffffffff && what !== 'checksum')) differs(what);
  }
  const dataOffset = entry.headerOffset + LOCAL.bytes + name.length + header.readUInt16LE(28);
  if (dataOffset + entry.compressedSize > directoryOffset) outside();
  return dataOffset;
}

function checkedName(file: RandomAccessFile, bytes: Buffer): string {
  const name = bytes.toString('utf8');
  const refuseName = (what: string) => refuse(file.path, `has an entry named ${quoted(name)}, ${what}`, NOT_TORCH);
  if (bytes.length === 0 || bytes.length > limits.name) refuseName(`a name of ${bytes.length} bytes`);
  if (!Buffer.from(name).equals(bytes)) refuseName('which is not UTF-8');
  if (/[\\\p{Cc}]/u.test(name) || /^[A-Za-z]:/.test(name)) refuseName('which is not a plain relative path');
  const parts = name.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) refuseName('which does not stay inside the archive');
  return name;
}

/** A 64 bit value; beyond 2^53 it can be no place or size in a file. */
function uint64(file: RandomAccessFile, bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) refuse(file.path, `claims a size or place of ${value} bytes`);
  return Number(value);
}
