/**
 * Logged parts of a recipe, with what people found, read beside a running station. A logged score can be used only where model, bank and
 * region rules gave it that are in force now: the log keeps the model's hash and the limit, and the limit names the recipe's revision.
 */
import { join } from 'node:path';
import { reason, VerdictdError } from '../errors';
import { openForReading } from '../store/read';
import type { Recipe, RecipeFile } from './recipe';
import { revisions } from './revise';
import { readRecipe } from './store';

/** A verdict that was reached, late or not. */
export interface LoggedPart {
  journal_seq: number;
  result_id: string;
  part_id: string;
  evaluation: 1 | 2 | 3;
  score: number;
  reject_limit: number | null;
  simulated: 0 | 1;
  bundle: string; // SHA-256 of its manifest
  p_anomaly: number | null; // as the model gave it
}

/** What people found about one part: 'contradictory' where two of them disagree. A person's newest judgement is theirs. */
export type Judged = 'good' | 'bad' | 'contradictory';

export interface Logged {
  /** Every part that somebody judged, in the order of the journal. */
  labelled: { part: LoggedPart; judged: Judged }[];
  /** The newest verdicts, oldest first. */
  recent: LoggedPart[];
  /** Of every verdict that model and bank of today reached: how many, and how many were not OK. */
  seen: { parts: number; notOk: number };
}

const columns = 'journal_seq, result_id, part_id, evaluation, score, reject_limit, simulated, bundle, p_anomaly';
const reached = 'recipe = ? AND state = 1 AND evaluation BETWEEN 1 AND 3 AND score IS NOT NULL';

/** `comparable`: see comparableLimits. `last`: newest verdicts wanted. Throws LOG_UNAVAILABLE. */
export function readLogged(path: string, { id, bundle }: RecipeFile, comparable: ReadonlySet<number>, last: number): Logged {
  const db = openForReading(path);
  try {
    return db.transaction((): Logged => {
      const judged = db
        .prepare(`SELECT ${columns} FROM inspections WHERE ${reached} AND result_id IN (SELECT result_id FROM labels) ORDER BY journal_seq`)
        .all(id) as LoggedPart[];
      const labels = db.prepare('SELECT result_id, label, labelled_by FROM labels ORDER BY id').all() as LabelRow[];
      const found = judgements(labels);
      const recent = db
        .prepare(`SELECT ${columns} FROM inspections WHERE ${reached} ORDER BY journal_seq DESC LIMIT ?`)
        .all(id, last) as LoggedPart[];
      const seen = { parts: 0, notOk: 0 };
      const counts = db
        .prepare(`SELECT reject_limit, evaluation, count(*) AS parts FROM inspections WHERE ${reached} AND bundle = ? GROUP BY 1, 2`)
        .all(id, bundle.sha256) as { reject_limit: number; evaluation: number; parts: number }[];
      for (const { reject_limit: limit, evaluation, parts } of counts) {
        if (!comparable.has(limit)) continue;
        seen.parts += parts;
        if (evaluation !== 1) seen.notOk += parts;
      }
      return { labelled: judged.flatMap((part) => ofPart(part, found)), recent: recent.reverse(), seen };
    })();
  } catch (thrown) {
    if (thrown instanceof VerdictdError) throw thrown;
    throw new VerdictdError('LOG_UNAVAILABLE', `${path} cannot be read: ${reason(thrown)}. Run \`verdictd log verify\`.`, {
      cause: thrown,
    });
  } finally {
    db.close();
  }
}

interface LabelRow {
  result_id: string;
  label: string;
  labelled_by: string;
}

function judgements(labels: readonly LabelRow[]): Map<string, Map<string, string>> {
  const found = new Map<string, Map<string, string>>();
  for (const { result_id: part, label, labelled_by: by } of labels)
    found.set(part, (found.get(part) ?? new Map<string, string>()).set(by, label));
  return found;
}

function ofPart(part: LoggedPart, found: Map<string, Map<string, string>>): Logged['labelled'] {
  const said = new Set(found.get(part.result_id)?.values());
  if (said.size > 1) return [{ part, judged: 'contradictory' }];
  return [...said].flatMap((label) => (label === 'good' || label === 'bad' ? [{ part, judged: label }] : []));
}

/** What a score depends on. */
function scoring({ bundle, bank, regions }: RecipeFile): string {
  return JSON.stringify([bundle.sha256, bank.sha256, regions ?? null]);
}

/**
 * The limits of those revisions that score as the one in force does: a verdict under such a limit, and of the same model, can be compared
 * with a verdict of today. A limit that another bank had as well names neither. Throws RECIPE_REFUSED for a revision that was altered.
 */
export async function comparableLimits(dataDir: string, { dir, file }: Recipe): Promise<Set<number>> {
  const same = new Set([file.limit.value]);
  const other = new Set<number>();
  for (const revision of await revisions(dataDir, file.id)) {
    const old = await readRecipe(join(dir, 'history', String(revision)), file.id);
    (scoring(old) === scoring(file) ? same : other).add(old.limit.value);
  }
  return new Set([...same].filter((limit) => !other.has(limit)));
}
