/**
 * Journal entries: what a record says on the wire (contract, topic `journal`). A pure function of the row, so an entry that is
 * sent twice, or replayed a year later, is the same to the byte.
 */
import type { Entry } from '../ports';
import { wordOf } from '../verdict_word';
import { boxesIn, cut, type EventRow, type Hashed, type ImageRow, type InspectionRow, verdictOf } from './record';

/** Bytes of one entry, `isHistorical` included. */
export const entryLimit = 4096;
const historicalBytes = Buffer.byteLength('"isHistorical":1,');
const none = 65535; // score or limit where there is none

/** Keys of an entry of type `verdict`, in this order. Scores x1000, times in ms, booleans 0/1 as in `result`. */
export interface VerdictEntry {
  v: 1;
  journalSeq: number;
  type: 'verdict';
  seq: number;
  released: 0 | 1;
  resultEvaluation: number;
  resultEvaluationCode: number;
  resultState: number;
  isSimulated: 0 | 1;
  score: number;
  limit: number;
  recipeId: number;
  /** Trigger to decision; what `result` added on its way out is not known when a record is made. */
  age: number;
  partId: string;
  resultId: string;
  creationTime: string;
  clockTrusted: 0 | 1;
  bootId: string;
  processingTimes: { startTime: string; endTime: string; acquisitionDuration: number; processingDuration: number };
  bundle: string;
  config: string;
  recipe: string;
  lot: string;
  frameId: number | null;
  probabilities: { normal: number; anomaly: number } | null;
  /** Anomalous regions, strongest first: [x, y, width, height] in pixels of the full frame. */
  boxes: number[][];
  ep: string;
  /** Stem of the names of this part's pictures; each follows as an entry of type `image`. */
  image: string;
  hash: string;
  detail: string;
  late: 0 | 1;
  verdict: string;
}

export interface ImageEntry {
  v: 1;
  journalSeq: number;
  type: 'image';
  resultId: string;
  creationTime: string;
  clockTrusted: 0 | 1;
  bootId: string;
  image: string;
  kind: string;
  sha256: string;
  bytes: number;
  hash: string;
}

export interface EventEntry {
  v: 1;
  journalSeq: number;
  type: 'event';
  creationTime: string;
  clockTrusted: 0 | 1;
  bootId: string;
  kind: string;
  hash: string;
  detail: string;
}

export function verdictEntry(row: Hashed<InspectionRow>): Entry {
  const word = wordOf(verdictOf(row, row.boot_id));
  const probabilities = row.p_normal === null || row.p_anomaly === null ? null : { normal: row.p_normal, anomaly: row.p_anomaly };
  const build = (detail: string): VerdictEntry => ({
    v: 1,
    journalSeq: row.journal_seq,
    type: 'verdict',
    seq: row.seq,
    released: row.released,
    resultEvaluation: row.evaluation,
    resultEvaluationCode: row.code,
    resultState: row.state,
    isSimulated: row.simulated,
    score: thousandths(row.score),
    limit: thousandths(row.reject_limit),
    recipeId: row.recipe_number,
    age: clamp(row.acquisition_ms + row.processing_ms),
    partId: row.part_id,
    resultId: row.result_id,
    creationTime: row.created_utc,
    clockTrusted: row.clock_trusted,
    bootId: row.boot_id,
    processingTimes: {
      startTime: row.start_time,
      endTime: row.end_time,
      acquisitionDuration: microseconds(row.acquisition_ms),
      processingDuration: microseconds(row.processing_ms),
    },
    bundle: row.bundle,
    config: row.config,
    recipe: row.recipe,
    lot: row.lot,
    frameId: row.frame_id,
    probabilities,
    boxes: boxesIn(row.boxes),
    ep: row.provider,
    image: row.result_id,
    hash: row.hash.toString('hex'),
    detail,
    late: row.late,
    verdict: word,
  });
  return { journalSeq: row.journal_seq, type: 'verdict', payload: fitted(build, row.detail) };
}

export function imageEntry(row: Hashed<ImageRow>): Entry {
  const entry: ImageEntry = {
    v: 1,
    journalSeq: row.journal_seq,
    type: 'image',
    resultId: row.result_id,
    creationTime: row.created_utc,
    clockTrusted: row.clock_trusted,
    bootId: row.boot_id,
    image: row.name,
    kind: row.kind,
    sha256: row.sha256,
    bytes: row.bytes,
    hash: row.hash.toString('hex'),
  };
  return { journalSeq: row.journal_seq, type: 'image', payload: ascii(entry) };
}

export function eventEntry(row: Hashed<EventRow>): Entry {
  const build = (detail: string): EventEntry => ({
    v: 1,
    journalSeq: row.journal_seq,
    type: 'event',
    creationTime: row.created_utc,
    clockTrusted: row.clock_trusted,
    bootId: row.boot_id,
    kind: row.kind,
    hash: row.hash.toString('hex'),
    detail,
  });
  return { journalSeq: row.journal_seq, type: 'event', payload: fitted(build, row.detail) };
}

/** Thousandths of a score, clamped to what a UINT carries below the mark for "none". */
function thousandths(score: number | null): number {
  return score === null ? none : Math.min(none - 1, Math.max(0, Math.round(score * 1000)));
}
const clamp = (ms: number): number => Math.min(none, Math.max(0, Math.round(ms)));
const microseconds = (ms: number): number => Math.round(ms * 1000) / 1000;

/** JSON in ASCII (contract, "Rules of form"): one byte a character. */
function ascii(value: unknown): string {
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The entry with as much of its free text as the limit leaves room for. */
function fitted(build: (detail: string) => unknown, detail: string): string {
  let text = detail;
  for (;;) {
    const payload = ascii(build(text));
    const over = payload.length + historicalBytes - entryLimit;
    if (over <= 0 || text === '') return payload;
    text = cut(text, Math.max(0, text.length - Math.ceil(over / 6))); // a character takes 6 bytes at most
  }
}
