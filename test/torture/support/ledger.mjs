// What a client heard of a station, held against the station's log: nothing lost, nothing contradictory, nothing twice.
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const require = createRequire(import.meta.url);
const Database = require('better-sqlite3');
const { verifyLog } = require('../../../dist/store/verify.js');

/** Codes of a no that is given without a verdict in the log: too late, log unavailable. */
const refusals = new Set([402, 502]);

/** Judges a copy of the log, as a crash left it, without touching the file that the next start finds. Faults in words. */
export async function soundness(dataDir) {
  const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'verdictd-copy-'));
  try {
    for (const name of ['log.db', 'log.db-wal', 'log.highwater']) {
      if (existsSync(join(dataDir, name))) copyFileSync(join(dataDir, name), join(dir, name));
    }
    if (!existsSync(join(dir, 'log.db'))) return [];
    const db = new Database(join(dir, 'log.db'));
    const sound = db.pragma('quick_check', { simple: true });
    const rows = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get();
    db.close();
    if (sound !== 'ok') return [`quick_check: ${sound}`];
    if (rows === 0) return []; // killed before it was made
    const found = await verifyLog(join(dir, 'log.db'));
    return found.ok || found.rows === 0 ? [] : [`log verify: record ${found.firstBad.journalSeq}: ${found.firstBad.reason}`];
  } catch (thrown) {
    return [`the log cannot be read: ${thrown.message}`];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Rows and events of a log that nobody writes now. */
export function readLog(dataDir) {
  const db = new Database(join(dataDir, 'log.db'), { readonly: true });
  try {
    const rows = db.prepare('SELECT *, lower(hex(hash)) AS hash FROM inspections').all();
    const all = 'SELECT journal_seq FROM inspections UNION ALL SELECT journal_seq FROM images UNION ALL SELECT journal_seq FROM events';
    return {
      rows: new Map(rows.map((row) => [row.result_id, row])),
      events: db.prepare('SELECT kind, detail FROM events').all(),
      twice: db.prepare('SELECT seq FROM inspections WHERE seq > 0 GROUP BY seq HAVING count(*) > 1').pluck().all(),
      tail: db.prepare(`SELECT coalesce(max(journal_seq), 0) FROM (${all})`).pluck().get(),
      pending: db.prepare('SELECT count(*) FROM pending').pluck().get(),
    };
  } finally {
    db.close();
  }
}

const wire = (value) => (value === null ? 65535 : Math.min(65535, Math.max(0, Math.round(value * 1000))));

/** Why a result as it was heard does not agree with its row; null where it does. */
function disagreement(heard, row, events) {
  const told = (kind) => events.some((event) => event.kind === kind && event.detail.startsWith(`${row.result_id} `));
  if (heard.seq !== row.seq || heard.partId !== row.part_id) return `was of seq ${row.seq}, part ${row.part_id}`;
  if (heard.ok === 1) {
    if (row.released !== 1 || row.evaluation !== 1)
      return `ok 1 was heard, the log has evaluation ${row.evaluation}, released ${row.released}`;
    return heard.score === wire(row.score) && heard.limit === wire(row.reject_limit) ? null : 'another score or limit';
  }
  if (row.released === 1) {
    // What the wire said in the end stands in an event, or the row would read as a pass that opened the gate.
    return ['notReleased', 'revoked'].some(told)
      ? null
      : `ok 0 (${heard.resultEvaluationCode}) was heard, the log says released 1 and no event takes it back`;
  }
  if (refusals.has(heard.resultEvaluationCode)) return null;
  // A no ahead of the verdict (the station stops, is aborted): what comes after it is logged as late.
  if (heard.resultEvaluation === 0 && row.late === 1) return null;
  return heard.resultEvaluation === row.evaluation && heard.resultEvaluationCode === row.code
    ? null
    : `evaluation ${heard.resultEvaluation}, code ${heard.resultEvaluationCode} was heard, the log has ${row.evaluation}, ${row.code}`;
}

/**
 * @param results messages of `result` in order; @param journal messages of `journal` in order
 * @returns {count: {results, passes, lost, contradictory, twice, owed, 'journal twice', 'journal contradictory'}, failures}
 *   `owed`: records that the journal has not brought; what a client may have missed is for the caller to know
 */
export function compare(dataDir, { results, journal }) {
  const log = readLog(dataDir);
  const count = {
    results: 0,
    passes: 0,
    lost: 0,
    contradictory: 0,
    twice: log.twice.length,
    owed: 0,
    'journal twice': 0,
    'journal contradictory': 0,
  };
  const failures = log.twice.map((seq) => `seq ${seq} has two verdicts in the log`);
  const fell = new Map(); // result id -> ok as last heard
  for (const { json } of results) {
    count.results++;
    if (json.ok === 1) count.passes++;
    const row = log.rows.get(json.resultId);
    const why = row === undefined ? null : disagreement(json, row, log.events);
    if (row === undefined) {
      count.lost++;
      failures.push(`lost: seq ${json.seq} ${json.resultId} (ok ${json.ok}, code ${json.resultEvaluationCode}) is not in the log`);
    } else if (why !== null) {
      count.contradictory++;
      failures.push(`contradictory: seq ${json.seq} ${json.resultId}: ${why}`);
    }
    if (json.ok === 1 && fell.get(json.resultId) === 0) {
      count.contradictory++;
      failures.push(`contradictory: seq ${json.seq} ${json.resultId}: ok 1 after ok 0`);
    }
    fell.set(json.resultId, json.ok);
  }
  const seen = new Map();
  for (const { json } of journal) {
    const { isHistorical, ...same } = json;
    const text = JSON.stringify(same);
    if (seen.has(json.journalSeq)) count['journal twice']++;
    const row = json.type === 'verdict' ? log.rows.get(json.resultId) : undefined;
    const bad =
      (seen.has(json.journalSeq) && seen.get(json.journalSeq) !== text) ||
      (json.type === 'verdict' && (row === undefined || row.hash !== json.hash || row.released !== json.released));
    if (bad) {
      count['journal contradictory']++;
      failures.push(`the journal's record ${json.journalSeq} (${json.resultId ?? json.type}) is not that of the log, or came in two forms`);
    }
    seen.set(json.journalSeq, text);
  }
  for (let n = 1; n <= log.tail; n++) if (!seen.has(n)) count.owed++;
  return { count, failures, log };
}

/** The figures that every part has that compares. */
export function ledgerFigures(count) {
  const none = (what, n) => ({ what, measured: String(n), goal: '0', ok: n === 0 });
  return [
    {
      what: 'results compared with the log',
      measured: `${count.results}, ${count.passes} of them ok 1`,
      goal: 'some of both',
      ok: count.passes > 0,
    },
    none('results not in the log', count.lost),
    none('results or journal records that contradict the log', count.contradictory + count['journal contradictory']),
    none('numbers with two verdicts', count.twice),
  ];
}
