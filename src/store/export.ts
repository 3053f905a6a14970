/** `log export`: verdicts as a table for spreadsheets, a few hundred rows in memory at a time, beside a running station. */
import { reason, VerdictdError } from '../errors';
import { type Cell, type CsvForm, csvLine } from './csv';
import { type Filter, type Listed, openForReading } from './read';
import { localTime, shiftOf } from './shift';

const batch = 500; // rows of one read: none holds the writer's WAL for long

interface Row extends Listed {
  opened_utc: string;
  clock_trusted: 0 | 1;
  label: string | null;
  description: string | null;
  labelled_by: string | null;
}

interface Column {
  name: string;
  cell: (row: Row, shifts: readonly string[]) => Cell;
}

/** A shift by a clock that nobody trusts would be a guess. */
const shift = (row: Row, shifts: readonly string[]) => (row.clock_trusted === 1 ? shiftOf(row.opened_utc, shifts) : null);

/** Every column, in the order of the file. New ones go to the end. */
export const exported: readonly Column[] = [
  { name: 'journalSeq', cell: (row) => row.journal_seq },
  { name: 'timeUtc', cell: (row) => row.opened_utc },
  { name: 'timeLocal', cell: (row) => localTime(row.opened_utc) },
  { name: 'clockTrusted', cell: (row) => row.clock_trusted },
  { name: 'shiftDate', cell: (row, shifts) => shift(row, shifts)?.date ?? null },
  { name: 'shift', cell: (row, shifts) => shift(row, shifts)?.number ?? null },
  { name: 'lot', cell: (row) => row.lot },
  { name: 'recipe', cell: (row) => row.recipe },
  { name: 'partId', cell: (row) => row.part_id },
  { name: 'seq', cell: (row) => row.seq },
  { name: 'resultId', cell: (row) => row.result_id },
  { name: 'verdict', cell: (row) => row.verdict },
  { name: 'released', cell: (row) => row.released },
  { name: 'code', cell: (row) => row.code },
  { name: 'reason', cell: (row) => row.reason },
  { name: 'score', cell: (row) => row.score },
  { name: 'limit', cell: (row) => row.reject_limit },
  { name: 'simulated', cell: (row) => row.simulated },
  { name: 'late', cell: (row) => row.late },
  { name: 'ms', cell: (row) => row.ms },
  { name: 'label', cell: (row) => row.label },
  { name: 'labelDescription', cell: (row) => row.description },
  { name: 'labelledBy', cell: (row) => row.labelled_by },
  { name: 'detail', cell: (row) => row.detail },
];

/** Oldest first; `last` of the filter does not count here. The newest label of a part is the one that is told. */
const select = `
SELECT v.*, i.opened_utc, i.clock_trusted, l.label, l.description, l.labelled_by
FROM verdicts AS v
JOIN inspections AS i ON i.journal_seq = v.journal_seq
LEFT JOIN labels AS l ON l.id = (SELECT max(id) FROM labels WHERE result_id = v.result_id)
WHERE v.journal_seq > @after
  AND (@verdict IS NULL OR v.verdict = @verdict)
  AND (@recipe IS NULL OR v.recipe = @recipe)
  AND (@lot IS NULL OR v.lot = @lot)
  AND (@since IS NULL OR v.time >= @since)
  AND (@until IS NULL OR v.time < @until)
ORDER BY v.journal_seq LIMIT ${batch}`;

/**
 * The file's text, line by line, head first; without a byte order mark.
 * @param shifts 'HH:MM-HH:MM', local time
 * @throws VerdictdError LOG_UNAVAILABLE
 */
export function* exportLines(
  path: string,
  filter: Omit<Filter, 'last'>,
  { form, shifts }: { form: CsvForm; shifts: readonly string[] },
): Generator<string> {
  const db = openForReading(path);
  try {
    const read = db.prepare(select);
    yield csvLine(
      exported.map(({ name }) => name),
      form,
    );
    let after = 0;
    for (;;) {
      const rows = read.all({ ...filter, after }) as Row[];
      for (const row of rows)
        yield csvLine(
          exported.map(({ cell }) => cell(row, shifts)),
          form,
        );
      const end = rows.at(-1);
      if (end === undefined || rows.length < batch) return;
      after = end.journal_seq;
    }
  } catch (thrown) {
    if (thrown instanceof VerdictdError) throw thrown;
    throw new VerdictdError('LOG_UNAVAILABLE', `${path} cannot be read: ${reason(thrown)}. Run \`verdictd log verify\`.`, {
      cause: thrown,
    });
  } finally {
    db.close();
  }
}
