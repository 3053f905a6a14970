/** Which pictures go, and why: pure. The rules are the configuration's, the ages those of the station's life (lived.ts). */

/** What a picture shows, the least needed first. */
export const kinds = ['ok', 'sample', 'notOk', 'unreviewed'] as const;
/** ok: of a PASS. sample: one in so many of them. notOk: of anything else, judged by a person. unreviewed: not judged yet. */
export type Kind = (typeof kinds)[number];

export type Reason = 'age' | 'size' | 'space';

/** The files of one part. */
export interface Kept {
  resultId: string;
  journalSeq: number; // of its verdict
  kind: Kind;
  names: readonly string[]; // under images/
  bytes: number;
}

/** Last record of at least such an age; 0 where there is none. */
export interface Cutoffs {
  ok: number;
  notOk: number;
  unreviewed: number;
  /** What is younger, and not reviewed, stays whatever the need. */
  protect: number;
}

export interface Need {
  /** Bytes that all pictures may take. */
  most: number;
  /** Bytes that the disk lacks. */
  space: number;
}

export interface Choice {
  picture: Kept;
  reason: Reason;
}

/** In the order they are to be deleted: what is too old, then the least needed and of those the oldest, until the need is met. */
export function choose(pictures: readonly Kept[], cutoffs: Cutoffs, need: Need): Choice[] {
  const oldest = [...pictures].sort((a, b) => a.journalSeq - b.journalSeq);
  const upTo: Record<Kind, number> = { ok: cutoffs.ok, sample: cutoffs.notOk, notOk: cutoffs.notOk, unreviewed: cutoffs.unreviewed };
  const old = oldest.filter(({ kind, journalSeq }) => journalSeq <= upTo[kind]);
  const young = oldest.filter(({ kind, journalSeq }) => journalSeq > upTo[kind]);
  const choices: Choice[] = old.map((picture) => ({ picture, reason: 'age' }));

  let size = young.reduce((sum, { bytes }) => sum + bytes, 0);
  let freed = old.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const kind of kinds) {
    for (const picture of young) {
      if (picture.kind !== kind || (kind === 'unreviewed' && picture.journalSeq > cutoffs.protect)) continue;
      const reason = freed < need.space ? 'space' : size > need.most ? 'size' : null;
      if (reason === null) return choices;
      choices.push({ picture, reason });
      size -= picture.bytes;
      freed += picture.bytes;
    }
  }
  return choices;
}

/** One in `n`, by the record's own hash: the same ones whenever it is asked, and evenly spread. */
export function isSample(hash: Uint8Array, n: number): boolean {
  const [a = 0, b = 0, c = 0, d = 0] = hash;
  return (((a * 256 + b) * 256 + c) * 256 + d) % n === 0;
}
