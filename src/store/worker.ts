/** The store worker: serves the writer to the main thread, so that a slow fsync never stops the heartbeat. */
import type { Entry, ImageRecord, LogStart, Part, Verdict } from '../ports';
import { serve } from '../threads';
import { LogWriter, type Written } from './writer';

let writer: LogWriter | null = null;

function current(): LogWriter {
  if (writer === null) throw new Error('the store worker was not opened');
  return writer;
}

const methods = {
  open({ dir, resumed }: { dir: string; resumed: number | null }): { bootNumber: number } {
    writer = new LogWriter(dir);
    return writer.open(resumed);
  },
  begin: ({ bootId }: { bootId: string }): LogStart & { notices: string[] } => current().begin(bootId),
  pending: (part: Part): void => current().pending(part),
  commit: (verdict: Verdict): Written => current().commit(verdict),
  image: (record: ImageRecord): void => current().image(record),
  event: ({ kind, detail }: { kind: string; detail: string }): void => current().note(kind, detail),
  find: ({ seq }: { seq: number }): Verdict | null => current().find(seq),
  backlog: ({ after, n }: { after: number; n: number }): Entry[] => current().backlog(after, n),
  delivered: ({ upTo }: { upTo: number }): void => current().delivered(upTo),
  ping: (_: null): void => undefined,
  close(_: null): void {
    writer?.close();
    writer = null;
  },
};

export type StoreMethods = typeof methods;

serve(methods);
