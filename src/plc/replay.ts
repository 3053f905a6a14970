/** Sends a stretch of the journal again (command 50), as history, in order; readers tell repetitions by journalSeq. */
import type { Entry } from '../ports';
import { withHistory } from './journal';

/** Entries of one replay, at most. */
export const replayMax = 10_000;
const page = 32; // unconfirmed at a time, as the live journal has

export interface ReplayDeps {
  entries(after: number, n: number): Promise<Entry[]>;
  /** Hands one entry to the wire; false if it is not connected. */
  send(payload: string, acked: () => void): boolean;
  /** Calls its argument when the connection of now is gone; returns how to take that back. */
  onLost(lost: () => void): () => void;
}

/** Resolves with how many there were, each confirmed by the broker. Rejects where the connection goes, or the log cannot be read. */
export async function replay(from: number, to: number, deps: ReplayDeps): Promise<number> {
  let count = 0;
  for (let after = from - 1; after < to; ) {
    const entries = (await deps.entries(after, Math.min(page, to - after))).filter(({ journalSeq }) => journalSeq <= to);
    if (entries.length === 0) break;
    await confirmed(entries, deps);
    count += entries.length;
    after = entries.at(-1)?.journalSeq ?? to;
  }
  return count;
}

function confirmed(entries: Entry[], { send, onLost }: ReplayDeps): Promise<void> {
  return new Promise((resolve, reject) => {
    let open = entries.length;
    const gone = new Error('the connection to the broker went; ask again');
    const forget = onLost(() => reject(gone));
    const acked = (): void => {
      if (--open > 0) return;
      forget();
      resolve();
    };
    for (const { payload } of entries) {
      if (send(withHistory(payload, true), acked)) continue;
      forget();
      reject(gone);
      return;
    }
  });
}
