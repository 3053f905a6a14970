/** The labelled pictures of a log, read beside a running station. */
import { reason, VerdictdError } from '../errors';
import { openForReading } from '../store/read';

/** A picture with the newest human judgement about its part. */
export interface Labelled {
  result_id: string;
  part_id: string;
  recipe: string;
  created_utc: string; // of the verdict
  code: number;
  score: number | null;
  verdict: string;
  name: string; // of the file in images/
  sha256: string;
  label: string;
  description: string;
  labelled_by: string;
  labels: number; // judgements about this part, the newest of which is this
}

export interface ExportFilter {
  recipe: string | null;
  since: string | null; // UTC, ISO 8601
}

/** In the order of the journal. Throws LOG_UNAVAILABLE. */
export function labelledPictures(path: string, filter: ExportFilter): Labelled[] {
  const db = openForReading(path);
  try {
    return db
      .prepare(`
        SELECT v.result_id, v.part_id, v.recipe, v.time AS created_utc, v.code, v.score, v.verdict, p.name, p.sha256,
          l.label, l.description, l.labelled_by,
          (SELECT count(*) FROM labels AS other WHERE other.result_id = v.result_id) AS labels
        FROM labels AS l
        JOIN verdicts AS v ON v.result_id = l.result_id
        JOIN images AS p ON p.result_id = l.result_id AND p.kind = 'picture'
        WHERE l.id = (SELECT max(id) FROM labels WHERE result_id = l.result_id)
          AND (@recipe IS NULL OR v.recipe = @recipe)
          AND (@since IS NULL OR v.time >= @since)
        ORDER BY v.journal_seq, p.journal_seq`)
      .all(filter) as Labelled[];
  } catch (thrown) {
    throw new VerdictdError('LOG_UNAVAILABLE', `${path} cannot be read: ${reason(thrown)}. Run \`verdictd log verify\`.`, {
      cause: thrown,
    });
  } finally {
    db.close();
  }
}
