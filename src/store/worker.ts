/** The store worker: serves the writer to the main thread, so that a slow fsync never stops the heartbeat. */
import type { Entry, ImageRecord, LogStart, Part, Verdict } from '../ports';
import { serve } from '../threads';
import type { Reading } from './lived';
import type { AuditRecord, LabelRecord } from './people';
import type { Removed } from './prefix';
import { LogWriter, type Written } from './writer';

let writer: LogWriter | null = null;

function current(): LogWriter {
  if (writer === null) throw new Error('the store worker was not opened');
  return writer;
}

const methods = {
  open({ dir, resumed }: { dir: string; resumed: number | null }): { bootNumber: number; sure: boolean } {
    writer = new LogWriter(dir);
    return writer.open(resumed);
  },
  begin: ({ bootId, bootNumber }: { bootId: string; bootNumber: number }): LogStart & { notices: string[] } =>
    current().begin(bootId, bootNumber),
  pending: ({ part, lot }: { part: Part; lot: string }): void => current().pending(part, lot),
  commit: (verdict: Verdict): Written => current().commit(verdict),
  commitAll: (verdicts: readonly Verdict[]): Written['existed'][] => current().commitAll(verdicts),
  image: (record: ImageRecord): void => current().image(record),
  event: ({ kind, detail }: { kind: string; detail: string }): void => current().note(kind, detail),
  label: (record: LabelRecord): number => current().label(record),
  audit: (record: AuditRecord): void => current().audit(record),
  live: (reading: Reading) => current().live(reading),
  forget: (prefix: Parameters<LogWriter['forget']>[0]): Removed => current().forget(prefix),
  find: ({ seq }: { seq: number }) => current().find(seq),
  entries: ({ after, n }: { after: number; n: number }): Entry[] => current().entries(after, n),
  backlog: ({ after, n }: { after: number; n: number }): Entry[] => current().backlog(after, n),
  delivered: ({ upTo }: { upTo: number }): void => current().delivered(upTo),
  /** A sign of life, and a look whether the file is still there: an idle line writes nothing that would show it. */
  ping: (_: null): void => writer?.sameFiles(),
  probe: (_: null): void => current().probe(),
  close(_: null): void {
    writer?.close();
    writer = null;
  },
};

export type StoreMethods = typeof methods;

serve(methods);
