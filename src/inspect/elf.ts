/** What a shared library says about itself, read without loading it. */
import { closeSync, openSync, readSync } from 'node:fs';

/** e_machine of ELF's header, as Node names the processors. */
const machines: Readonly<Record<number, string>> = { 3: 'ia32', 40: 'arm', 62: 'x64', 183: 'arm64' };

export interface LibraryFacts {
  arch: string; // as process.arch; 'machine N' where Node has no name for it
  /** Version of onnxruntime in its symbol names (VERS_1.24.3): what it gives, or what it asks for. null: none in it. */
  onnxruntime: string | null;
}

const step = 1 << 20;
const mark = Buffer.from('VERS_');
const longest = 32; // bytes of a symbol version, with its end

/** Throws an Error with a sentence where the file is no 64 bit ELF file, or cannot be read. */
export function libraryFacts(path: string): LibraryFacts {
  const file = openSync(path, 'r');
  try {
    const header = Buffer.alloc(20);
    const got = readSync(file, header, 0, header.length, 0);
    const magic = got === header.length && header.readUInt32BE(0) === 0x7f454c46;
    // EI_CLASS 2: 64 bit; EI_DATA 1: little endian.
    if (!magic || header[4] !== 2 || header[5] !== 1) throw new Error(`${path} is not a 64 bit shared library`);
    const machine = header.readUInt16LE(18);
    return { arch: machines[machine] ?? `machine ${machine}`, onnxruntime: symbolVersion(file) };
  } finally {
    closeSync(file);
  }
}

/** The first VERS_x.y.z that ends where a name ends. Pieces overlap, so that one on their border is found. */
function symbolVersion(file: number): string | null {
  const piece = Buffer.alloc(step + longest);
  for (let at = 0; ; at += step) {
    const got = readSync(file, piece, 0, piece.length, at);
    const bytes = piece.subarray(0, got);
    for (let i = bytes.indexOf(mark); i >= 0; i = bytes.indexOf(mark, i + 1)) {
      const version = /^VERS_(\d+\.\d+\.\d+)\0/.exec(bytes.toString('latin1', i, i + longest))?.[1];
      if (version !== undefined) return version;
    }
    if (got < piece.length) return null;
  }
}
