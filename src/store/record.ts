/**
 * The records of the log: their columns, their hash, and the way between a row and the verdict it holds. Pure.
 *
 * hash = SHA-256( prev_hash || encoding ), where the encoding is the table's name and then each column in the order below, each
 * value with its kind, so that no two different rows share an encoding and any language can recompute it:
 *   n                        null
 *   i<decimal>;              integer
 *   r<16 hex digits>         real: IEEE 754 double, big endian
 *   t<bytes>:<UTF-8 bytes>   text
 * A column that came with a later version of the log is left out where it is null: the hash of an older record is what it was.
 * The first record of a new log follows 32 zero bytes.
 */
import { createHash } from 'node:crypto';
import type { Code, Evaluation, ResultState } from '../codes';
import type { ImageRecord, Part, Verdict } from '../ports';

type Kind = 'integer' | 'real' | 'text';
type Columns = readonly (readonly [name: string, kind: Kind])[];
export type Table = 'inspections' | 'images' | 'events';

/** Every column but prev_hash, hash and those that came later, in the order of the table. */
export const columns: Readonly<Record<Table, Columns>> = {
  inspections: [
    ['journal_seq', 'integer'],
    ['result_id', 'text'],
    ['seq', 'integer'],
    ['part_id', 'text'],
    ['recipe', 'text'],
    ['recipe_number', 'integer'],
    ['lot', 'text'],
    ['evaluation', 'integer'],
    ['code', 'integer'],
    ['state', 'integer'],
    ['released', 'integer'],
    ['late', 'integer'],
    ['simulated', 'integer'],
    ['score', 'real'],
    ['reject_limit', 'real'],
    ['map_max', 'real'],
    ['p_normal', 'real'],
    ['p_anomaly', 'real'],
    ['provider', 'text'],
    ['bundle', 'text'],
    ['config', 'text'],
    ['frame_id', 'integer'],
    ['opened_utc', 'text'],
    ['start_time', 'text'],
    ['end_time', 'text'],
    ['acquisition_ms', 'real'],
    ['processing_ms', 'real'],
    ['mono_ms', 'real'],
    ['clock_trusted', 'integer'],
    ['boot_id', 'text'],
    ['created_utc', 'text'],
    ['detail', 'text'],
  ],
  images: [
    ['journal_seq', 'integer'],
    ['result_id', 'text'],
    ['name', 'text'],
    ['kind', 'text'],
    ['sha256', 'text'],
    ['bytes', 'integer'],
    ['clock_trusted', 'integer'],
    ['boot_id', 'text'],
    ['created_utc', 'text'],
  ],
  events: [
    ['journal_seq', 'integer'],
    ['kind', 'text'],
    ['detail', 'text'],
    ['mono_ms', 'real'],
    ['clock_trusted', 'integer'],
    ['boot_id', 'text'],
    ['created_utc', 'text'],
  ],
};

/** Columns that later versions added: behind `hash` in the table, behind all others in the encoding. */
export const laterColumns: Readonly<Record<Table, Columns>> = { inspections: [['boxes', 'text']], images: [], events: [] };

/** Where and when a record was written. */
export interface Stamp {
  journal_seq: number;
  boot_id: string;
  created_utc: string;
}

export interface InspectionRow extends Stamp {
  result_id: string;
  seq: number;
  part_id: string;
  recipe: string;
  recipe_number: number;
  lot: string;
  evaluation: Evaluation;
  code: Code;
  state: ResultState;
  released: 0 | 1;
  late: 0 | 1;
  simulated: 0 | 1;
  score: number | null;
  reject_limit: number | null;
  map_max: number | null;
  p_normal: number | null;
  p_anomaly: number | null;
  provider: string;
  bundle: string;
  config: string;
  frame_id: number | null;
  opened_utc: string;
  start_time: string;
  end_time: string;
  acquisition_ms: number;
  processing_ms: number;
  mono_ms: number;
  clock_trusted: 0 | 1;
  detail: string;
  boxes: string | null; // JSON, [[x,y,width,height], ...]
}

export interface ImageRow extends Stamp {
  result_id: string;
  name: string;
  kind: 'picture' | 'heatmap';
  sha256: string;
  bytes: number;
  clock_trusted: 0 | 1;
}

export interface EventRow extends Stamp {
  kind: string;
  detail: string;
  mono_ms: number;
  clock_trusted: 0 | 1;
}

export interface PendingRow {
  result_id: string;
  seq: number;
  part_id: string;
  recipe: string;
  recipe_number: number;
  simulated: 0 | 1;
  opened_utc: string;
  mono_ms: number;
  clock_trusted: 0 | 1;
  boot_id: string;
  lot: string;
}

export type Row = InspectionRow | ImageRow | EventRow;
/** A row as it stands in the file. */
export type Hashed<R extends Row = Row> = R & { prev_hash: Buffer; hash: Buffer };

/** Kind of the event that a chain may begin with, or after: the records before it are elsewhere; it says where the chain stood. */
export const anchorKind = 'anchor';

/** What the first record of a log follows. */
export const genesis: Buffer = Buffer.alloc(32);

/** The hash of one record after `prev` (32 bytes). A value that is not of its column's kind gives a hash nothing else has. */
export function recordHash(table: Table, row: object, prev: Uint8Array): Buffer {
  const values = row as Readonly<Record<string, unknown>>;
  let text = `${table}\n`;
  for (const [name, kind] of columns[table]) text += encode(values[name], kind);
  for (const [name, kind] of laterColumns[table]) if (values[name] !== null) text += encode(values[name], kind);
  // One call for the whole record: each one costs more than its bytes, and this stands between a part and its verdict.
  return createHash('sha256').update(prev).update(text, 'utf8').digest();
}

const double = Buffer.alloc(8);

function encode(value: unknown, kind: Kind): string {
  if (value === null) return 'n';
  if (kind === 'integer' && Number.isSafeInteger(value)) return `i${String(value)};`;
  if (kind === 'real' && typeof value === 'number') {
    double.writeDoubleBE(value);
    return `r${double.toString('hex')}`;
  }
  if (kind === 'text' && typeof value === 'string') return `t${Buffer.byteLength(value, 'utf8')}:${value}`;
  return `?${typeof value};`;
}

/** A row's values in the order of its table: columns, prev_hash, hash, later columns. */
export function rowValues(table: Table, row: object, prev: Buffer, hash: Buffer): unknown[] {
  const values = row as Readonly<Record<string, unknown>>;
  const all = columns[table].map(([name]) => values[name]);
  all.push(prev, hash);
  for (const [name] of laterColumns[table]) all.push(values[name]);
  return all;
}

/** SQLite keeps neither NaN nor the sign of zero, JSON no infinity: what the hash covers must read back as written. */
function real(value: number | null): number | null {
  return value === null || !Number.isFinite(value) ? null : value + 0;
}
const duration = (value: number): number => real(value) ?? 0;
const bit = (value: boolean): 0 | 1 => (value ? 1 : 0);

const maybeSurrogate = /[\ud800-\udfff]/; // nearly always none: the search is cheap, the replacement is not

/** Half a surrogate pair has no UTF-8: it would read back as something else than the hash covers. */
function wellFormed<R extends object>(row: R): R {
  for (const [name, value] of Object.entries(row)) {
    if (typeof value === 'string' && maybeSurrogate.test(value)) Reflect.set(row, name, value.replace(/\p{Surrogate}/gu, '\ufffd'));
  }
  return row;
}

/** Widths of free text, in UTF-16 units: a journal entry stays within 4 kB, a row within a page. */
export const widths = { detail: 1000, lot: 64, name: 64 } as const;

/** Cut to `width`, never through a surrogate pair. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : text.slice(0, width).replace(/[\ud800-\udbff]$/, '');
}

export function inspectionRow(verdict: Verdict, stamp: Stamp): InspectionRow {
  const { part, timings } = verdict;
  return wellFormed({
    ...stamp,
    result_id: part.resultId,
    seq: part.seq,
    part_id: part.partId,
    recipe: part.recipe.id,
    recipe_number: part.recipe.number,
    lot: cut(verdict.lot, widths.lot),
    evaluation: verdict.evaluation,
    code: verdict.code,
    state: verdict.state,
    released: verdict.released,
    late: bit(verdict.late),
    simulated: bit(part.simulated),
    score: real(verdict.score),
    reject_limit: real(verdict.limit),
    map_max: real(verdict.mapMax),
    p_normal: real(verdict.probabilities?.normal ?? null),
    p_anomaly: real(verdict.probabilities?.anomaly ?? null),
    provider: cut(verdict.provider, widths.name),
    bundle: cut(verdict.bundle, widths.name),
    config: cut(verdict.config, widths.name),
    frame_id: verdict.frameId,
    opened_utc: part.openedUtc,
    start_time: timings.startTime,
    end_time: timings.endTime,
    acquisition_ms: duration(timings.acquisitionDuration),
    processing_ms: duration(timings.processingDuration),
    mono_ms: duration(part.opened),
    clock_trusted: bit(part.clockTrusted),
    detail: cut(verdict.detail, widths.detail),
    boxes: boxesText(verdict.boxes),
  });
}

/** At most 16 boxes of whole pixels, so that a journal entry stays within its 4 kB; none: null. */
function boxesText(boxes: Verdict['boxes']): string | null {
  if (boxes === undefined || boxes.length === 0) return null;
  const whole = (value: number): number => Math.min(65535, Math.max(0, Math.round(value)));
  return JSON.stringify(boxes.slice(0, 16).map(({ x, y, width, height }) => [x, y, width, height].map(whole)));
}

/** What `boxesText` wrote; none where the row was altered into something else (`log verify` tells). */
export function boxesIn(text: string | null): number[][] {
  if (text === null) return [];
  try {
    const list: unknown = JSON.parse(text);
    const whole = (box: unknown): box is number[] => Array.isArray(box) && box.length === 4 && box.every(Number.isInteger);
    return Array.isArray(list) ? list.filter(whole).slice(0, 16) : [];
  } catch {
    return [];
  }
}

/**
 * The verdict a row holds. The monotonic clock starts anew with the machine, so for a row of another run than `bootId`,
 * `opened` is -Infinity: older than any time to live.
 */
export function verdictOf(row: InspectionRow, bootId: string): Verdict {
  const part: Part = {
    resultId: row.result_id,
    seq: row.seq,
    partId: row.part_id,
    recipe: { id: row.recipe, number: row.recipe_number },
    opened: row.boot_id === bootId ? row.mono_ms : Number.NEGATIVE_INFINITY,
    openedUtc: row.opened_utc,
    clockTrusted: row.clock_trusted === 1,
    simulated: row.simulated === 1,
  };
  return {
    part,
    evaluation: row.evaluation,
    code: row.code,
    state: row.state,
    score: row.score,
    limit: row.reject_limit,
    frameId: row.frame_id,
    mapMax: row.map_max,
    probabilities: row.p_normal === null || row.p_anomaly === null ? null : { normal: row.p_normal, anomaly: row.p_anomaly },
    ...(row.boxes === null ? {} : { boxes: boxesIn(row.boxes).map(([x = 0, y = 0, width = 0, height = 0]) => ({ x, y, width, height })) }),
    provider: row.provider,
    bundle: row.bundle,
    config: row.config,
    timings: {
      startTime: row.start_time,
      endTime: row.end_time,
      acquisitionDuration: row.acquisition_ms,
      processingDuration: row.processing_ms,
    },
    late: row.late === 1,
    detail: row.detail,
    released: row.released,
    lot: row.lot,
  };
}

export function pendingRow(part: Part, lot: string, bootId: string): PendingRow {
  return wellFormed({
    result_id: part.resultId,
    seq: part.seq,
    part_id: part.partId,
    recipe: part.recipe.id,
    recipe_number: part.recipe.number,
    simulated: bit(part.simulated),
    opened_utc: part.openedUtc,
    mono_ms: duration(part.opened),
    clock_trusted: bit(part.clockTrusted),
    boot_id: bootId,
    lot: cut(lot, widths.lot),
  });
}

/** Contract, "Handshake" 6: a part that a restart left open is closed as Aborted, with a reason that is never 0. */
export function abortedRow(row: PendingRow, stamp: Stamp): InspectionRow {
  return {
    ...stamp,
    ...row, // boot_id too: the run that its id and its mono_ms are of
    evaluation: 0,
    code: 402,
    state: 3,
    released: 0,
    late: 0,
    score: null,
    reject_limit: null,
    map_max: null,
    p_normal: null,
    p_anomaly: null,
    provider: '',
    bundle: '',
    config: '',
    frame_id: null,
    start_time: row.opened_utc,
    end_time: stamp.created_utc,
    acquisition_ms: 0,
    processing_ms: 0,
    boxes: null,
    detail: 'the station stopped before this part had its verdict',
  };
}

export function imageRow(record: ImageRecord, clockTrusted: boolean, stamp: Stamp): ImageRow {
  return {
    ...stamp,
    result_id: record.resultId,
    name: record.name,
    kind: record.kind,
    sha256: record.sha256,
    bytes: record.bytes,
    clock_trusted: bit(clockTrusted),
  };
}

export function eventRow(kind: string, detail: string, now: number, clockTrusted: boolean, stamp: Stamp): EventRow {
  return wellFormed({
    ...stamp,
    kind: cut(kind, widths.name),
    detail: cut(detail, widths.detail),
    mono_ms: duration(now),
    clock_trusted: bit(clockTrusted),
  });
}

/** Compares everything but where and when the row was written. */
export function sameVerdict(known: InspectionRow, verdict: Verdict): 'same' | 'other' {
  const now = new Map<string, unknown>(
    Object.entries(inspectionRow(verdict, { journal_seq: known.journal_seq, boot_id: known.boot_id, created_utc: known.created_utc })),
  );
  const then = new Map<string, unknown>(Object.entries(known));
  return [...columns.inspections, ...laterColumns.inspections].every(([name]) => now.get(name) === then.get(name)) ? 'same' : 'other';
}
