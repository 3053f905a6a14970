// A recording made by the shim, walked from its first operation to its last, and what a disk may hold if the power goes in between.
// Model: what a sync has covered is there; of what came after it any 512-byte sector may be there or not, in a version it once had, and a
// file's length may be any it once had. Names (created, removed, renamed) become durable in their order, at the latest with the next sync
// of any file, as journalling file systems do it.
import { readFileSync } from 'node:fs';

const sector = 512;
const headBytes = 24;

/** {kind, name, where, data} in order. */
export function operationsOf(file) {
  const bytes = readFileSync(file);
  const operations = [];
  for (let at = 0; at < bytes.length; ) {
    const [kind, nameBytes, dataBytes] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at + 8)];
    const where = bytes.readBigUInt64LE(at + 16);
    const name = bytes.toString('utf8', at + headBytes, at + headBytes + nameBytes);
    const from = at + headBytes + nameBytes;
    operations.push({ kind: String.fromCharCode(kind), name, where, data: bytes.subarray(from, from + dataBytes) });
    at = from + dataBytes;
  }
  return operations;
}

/** A file's bytes: grows by doubling, so that thousands of writes cost little. */
class Bytes {
  constructor(from) {
    this.size = from?.size ?? 0;
    this.store = Buffer.alloc(Math.max(4096, this.size));
    from?.store.copy(this.store, 0, 0, this.size);
  }
  write(at, data) {
    this.reach(at + data.length);
    data.copy(this.store, at);
    this.size = Math.max(this.size, at + data.length);
  }
  truncate(size) {
    this.reach(size);
    if (size < this.size) this.store.fill(0, size, this.size);
    this.size = size;
  }
  reach(size) {
    if (size <= this.store.length) return;
    const larger = Buffer.alloc(Math.max(size, 2 * this.store.length));
    this.store.copy(larger, 0, 0, this.size);
    this.store = larger;
  }
  get bytes() {
    return this.store.subarray(0, this.size);
  }
  apply({ kind, where, data }) {
    if (kind === 'W') this.write(Number(where), data);
    else this.truncate(Number(where));
  }
}

/** The four ways in which a cut may leave what no sync has covered. Each gives the bytes of one file. */
const styles = {
  /** Nothing of it. */
  none: ({ durable }) => new Bytes(durable),
  /** All of it up to one moment, in order. */
  prefix({ durable, waiting }, { until }) {
    const file = new Bytes(durable);
    for (const { at, operation } of waiting) if (at <= until) file.apply(operation);
    return file;
  },
  /** Any of the calls. */
  subset({ durable, waiting }, { random, share }) {
    const file = new Bytes(durable);
    for (const { operation } of waiting) if (random() < share) file.apply(operation);
    return file;
  },
  /** Any sector of them, each in a version it had. */
  torn({ durable, waiting }, { random, share }) {
    const file = new Bytes(durable);
    const ended = new Set();
    for (const { operation } of waiting) {
      if (operation.kind === 'T') {
        if (random() < share) file.apply(operation);
        continue;
      }
      const begin = Number(operation.where);
      const end = begin + operation.data.length;
      for (let number = Math.floor(begin / sector); number * sector < end; number++) {
        if (ended.has(number)) continue;
        if (random() >= share) ended.add(number);
        else {
          const from = Math.max(begin, number * sector);
          file.write(from, operation.data.subarray(from - begin, Math.min(end, (number + 1) * sector) - begin));
        }
      }
    }
    return file;
  },
};
export const styleNames = Object.keys(styles);

/** Where the walk is: the files as a disk has them for certain, and what is still on its way there. */
export class Disk {
  names = new Map(); // durable: name -> file
  changes = []; // of names, not durable yet: {at, name, file | null}
  syncs = new Map(); // token -> index of the operation by which the sync had begun
  at = 0;

  /** The file a name stands for at this moment. */
  current(name) {
    const change = this.changes.findLast((one) => one.name === name);
    return change === undefined ? this.names.get(name) : (change.file ?? undefined);
  }

  file(name) {
    const found = this.current(name);
    if (found !== undefined) return found;
    const file = { durable: new Bytes(), waiting: [] };
    this.changes.push({ at: this.at, name, file });
    return file;
  }

  step(operation) {
    const { kind, name, where, data } = operation;
    this.at++;
    if (kind === 'W' || kind === 'T') this.file(name).waiting.push({ at: this.at, operation });
    else if (kind === 'B') this.syncs.set(where, this.at);
    else if (kind === 'S') this.synced(this.file(name), this.syncs.get(where));
    else if (kind === 'U') this.changes.push({ at: this.at, name, file: null });
    else if (kind === 'R') {
      const file = this.file(name);
      this.changes.push({ at: this.at, name, file: null }, { at: this.at, name: data.toString(), file });
    }
  }

  synced(file, begun) {
    while (file.waiting.length > 0 && file.waiting[0].at <= begun) file.durable.apply(file.waiting.shift().operation);
    while (this.changes.length > 0 && this.changes[0].at <= begun) {
      const { name, file: named } = this.changes.shift();
      if (named === null) this.names.delete(name);
      else this.names.set(name, named);
    }
  }

  /** What is found after a cut now: name -> bytes. */
  crash(random, style) {
    const earliest = Math.min(
      ...[...this.names.values(), ...this.changes.flatMap(({ file }) => file ?? [])].flatMap((f) => f.waiting[0]?.at ?? []),
    );
    const oldest = Number.isFinite(earliest) ? earliest - 1 : this.at;
    const choice = { random, share: random(), until: oldest + Math.floor(random() * (this.at - oldest + 1)) };
    const names = new Map(this.names);
    const [first] = this.changes;
    const [from, to] = [first === undefined ? this.at : first.at - 1, this.at];
    const renamed = style === 'none' ? from : style === 'prefix' ? choice.until : from + Math.floor(random() * (to - from + 1));
    for (const { at, name, file } of this.changes) {
      if (at > renamed) break;
      if (file === null) names.delete(name);
      else names.set(name, file);
    }
    return new Map([...names].map(([name, file]) => [name, styles[style](file, choice).bytes]));
  }
}
