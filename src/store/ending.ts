/** What the end of the log should be, against what it is: asked once at a start, before the first record. */

import type { Mark } from './highwater';
import { fileName, highwaterName } from './open';
import type { Tail } from './read';
import { anchorKind } from './record';

/** Numbers left out when a log goes on after a lost file and an unclean stop: the high-water mark may lag by this much. */
const lostMargin = 10_000;

/** An event of the log's own; `said` where a person is told more than the record. */
export interface Notice {
  kind: string;
  detail: string;
  said?: string;
}

export interface Ending {
  /** What the next record follows. */
  tail: Tail;
  notices: Notice[];
}

export interface Found {
  tail: Tail;
  mark: Mark | null;
  /** Name of the damaged file set aside, null in the ordinary case. */
  setAside: string | null;
  /** Hash of a record that is there, hex. */
  hashAt: (journalSeq: number) => string | null;
}

export function judgeEnding({ tail: found, mark, setAside, hashAt }: Found): Ending {
  const sound = (notices: Notice[] = []): Ending => ({ tail: found, notices });
  const altered = (detail: string): Ending => sound([{ kind: 'logAltered', detail }]);
  if (mark === null) {
    if (found.journalSeq === 0 && setAside === null) return sound();
    return altered(`${highwaterName} is missing or spoilt: rows removed from the end would not show`);
  }
  if (mark.clean === 2) return restored(found, mark);
  if (found.journalSeq < mark.journalSeq) {
    const kept = Buffer.from(mark.hash, 'hex');
    if (found.journalSeq > 0) {
      const detail = `rows ${found.journalSeq + 1} to ${mark.journalSeq} are missing at the end of the log`;
      return { tail: { journalSeq: mark.journalSeq, hash: kept }, notices: [{ kind: 'logAltered', detail }] };
    }
    const journalSeq = mark.journalSeq + (mark.clean === 1 ? 0 : lostMargin);
    const cause = setAside === null ? `${fileName} was missing or empty` : `${fileName} was damaged and is kept as ${setAside}`;
    const said = `${cause}: the log begins anew after record ${journalSeq}. Keep the data directory, and find out why`;
    const detail = JSON.stringify({ journalSeq, hash: mark.hash, reason: cause });
    return { tail: { journalSeq, hash: kept }, notices: [{ kind: anchorKind, detail, said }] };
  }
  if ((hashAt(mark.journalSeq) ?? mark.hash) !== mark.hash) return altered(`row ${mark.journalSeq} is not the one that was written`);
  if (mark.clean === 1 && found.journalSeq > mark.journalSeq) {
    return altered(`rows ${mark.journalSeq + 1} to ${found.journalSeq} were added while the station was stopped`);
  }
  return sound();
}

/**
 * A backup was put in place: what was recorded after it is lost here, but may have left with the journal, so its numbers are not used
 * again. The chain itself goes on: the next record follows the last one of the backup.
 */
function restored(found: Tail, mark: Mark): Ending {
  if (found.hash.toString('hex') !== mark.hash || mark.journalSeq < found.journalSeq) {
    return { tail: found, notices: [{ kind: 'logAltered', detail: 'the log is not the one that was restored from a backup' }] };
  }
  const cause = `restored from a backup that ends at record ${found.journalSeq}`;
  const { journalSeq } = mark;
  const detail = JSON.stringify({ journalSeq, after: found.journalSeq, hash: mark.hash, reason: cause });
  const said = `${cause}: its numbers go on after ${journalSeq}, for those between may have been used`;
  return { tail: { journalSeq, hash: found.hash }, notices: [{ kind: anchorKind, detail, said }] };
}
