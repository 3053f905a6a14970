/** What people add beside the chain: judgements of parts, and who changed what. Append-only, like the tables they go into. */
import { systemClock } from '../clock';
import { VerdictdError } from '../errors';
import type { Statements } from './statements';

/** A human judgement of one part. */
export interface LabelRecord {
  resultId: string;
  label: 'good' | 'bad';
  description: string; // kind of defect, or '' where there is nothing to say
  by: string; // who judged
}

export interface AuditRecord {
  actor: string; // who
  action: string; // what, one word
  detail: string; // JSON: before and after
}

/** One synced transaction of the writer. */
type Write = (work: () => void) => void;

/** Beside a verdict, which stays as it is. Gives the label's number. @throws VerdictdError LABEL_REFUSED */
export function insertLabel({ resultId, label, description, by }: LabelRecord, sql: Statements, write: Write): number {
  if (sql.byResult.get(resultId) === undefined) {
    throw new VerdictdError('LABEL_REFUSED', `There is no verdict ${resultId} in the log. \`verdictd log list --json\` gives the ids.`);
  }
  let id = 0;
  write(() => {
    const row = { result_id: resultId, label, description, labelled_by: by, created_utc: systemClock.wall().utc };
    id = Number(sql.insertLabel.run(row).lastInsertRowid);
  });
  return id;
}

export function insertAudit({ actor, action, detail }: AuditRecord, bootId: string, sql: Statements, write: Write): void {
  const { utc, trusted } = systemClock.wall();
  write(() => sql.insertAudit.run({ actor, action, detail, clock_trusted: trusted ? 1 : 0, boot_id: bootId, created_utc: utc }));
}
