// The library in shim/: compiled when needed, and what a process is told by which it is loaded.
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './station.mjs';

const source = fileURLToPath(new URL('../shim', import.meta.url));
const library = join(root, 'out/torture/shim.so');
const flags = ['-std=c11', '-O2', '-fPIC', '-shared', '-Wall', '-Wextra', '-Werror', '-pthread'];

/** Path of the compiled library, or {skipped}: why there is none. */
export function buildShim() {
  const files = readdirSync(source).map((name) => join(source, name));
  if (existsSync(library) && files.every((file) => statSync(file).mtimeMs < statSync(library).mtimeMs)) return { library };
  mkdirSync(join(library, '..'), { recursive: true });
  const made = spawnSync('cc', [...flags, '-o', library, ...files.filter((file) => file.endsWith('.c')), '-ldl'], { encoding: 'utf8' });
  if (made.error !== undefined) return { skipped: `no C compiler: ${made.error.message}` };
  if (made.status !== 0) throw new Error(`the shim does not compile: ${made.stderr}`);
  return { library };
}

/** Environment of a process whose files below `dir` (absolute) are watched. `record`, `control`: files; either may be left out. */
export function shimmed({ library: path, dir, record = '', control = '' }) {
  const own = { TORTURE_SHIM_DIR: dir, TORTURE_SHIM_RECORD: record, TORTURE_SHIM_CONTROL: control };
  // With io_uring libuv would write past the C library.
  return { LD_PRELOAD: path, UV_USE_IO_URING: '0', ...own };
}

/** Words of `struct control` in shim/faults.c, in order. */
const words = ['stallUs', 'stallPpm', 'writePpm', 'writeErrno', 'syncPpm', 'syncErrno', 'limited', 'room', 'total'];
const counters = ['stalls', 'writeErrors', 'syncErrors', 'fullErrors', 'bytes', 'syncs'];
const all = [...words, ...counters];

export const errno = { EIO: 5n, ENOSPC: 28n };

/** What shall go wrong in a process, changed while it runs. Made before the process starts. */
export class Faults {
  constructor(file) {
    this.file = file;
    writeFileSync(file, Buffer.alloc(4096));
    this.fd = openSync(file, 'r+');
  }

  /** Sets words by name; the others stay. ms and shares are turned into what the shim counts in. */
  set(values) {
    for (const [name, value] of Object.entries(values)) {
      const at = words.indexOf(name);
      if (at < 0) throw new Error(`the shim knows no ${name}`);
      const word = Buffer.alloc(8);
      word.writeBigUInt64LE(BigInt(value));
      writeSync(this.fd, word, 0, 8, at * 8);
    }
  }

  /** Each sync takes `ms` longer, with the given share. */
  stall(ms, share = 1) {
    this.set({ stallUs: Math.round(ms * 1000), stallPpm: Math.round(share * 1e6) });
  }

  /** No fault any more; the counters stay. */
  none() {
    this.set({ stallUs: 0, stallPpm: 0, writePpm: 0, syncPpm: 0, limited: 0 });
  }

  /** {stalls, writeErrors, syncErrors, fullErrors, bytes, syncs, room} since the file was made. */
  read() {
    const bytes = Buffer.alloc(all.length * 8);
    readSync(this.fd, bytes, 0, bytes.length, 0);
    return Object.fromEntries([...counters, 'room'].map((name) => [name, Number(bytes.readBigInt64LE(all.indexOf(name) * 8))]));
  }

  end() {
    closeSync(this.fd);
  }
}
