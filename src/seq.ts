/** Sequence numbers of parts: a PLC's DINT, 1..2147483647, then 1 again (contract, "Rules of form"). 0 is no number (free run). */
export const seqMax = 2147483647;

/** The number after `seq`; after the last one, and after 0 (none yet), comes 1. */
export function nextSeq(seq: number): number {
  return seq >= seqMax || seq < 1 ? 1 : seq + 1;
}

/** Steps from `from` forward to `to`, 0..seqMax-1, across the wrap. */
export function seqDistance(from: number, to: number): number {
  return (((to - from) % seqMax) + seqMax) % seqMax;
}

/** True if `seq` is ahead of `last`: 1 to (seqMax - 1) / 2 steps forward, modulo the range. `last` 0: nothing was used yet. */
export function isAhead(seq: number, last: number): boolean {
  if (!Number.isInteger(seq) || seq < 1 || seq > seqMax) return false;
  if (last === 0) return true;
  const distance = seqDistance(last, seq);
  return distance > 0 && distance <= (seqMax - 1) / 2;
}

/** The furthest of numbers given oldest first; 0 if none. */
export function furthest(numbers: readonly number[]): number {
  return numbers.reduce((last, seq) => (isAhead(seq, last) ? seq : last), 0);
}
