// Whether a log found after a power cut keeps what was promised: by SQLite, by `log verify`, and by a start of the log.

import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(import.meta.url);
const Database = require('better-sqlite3');
const { LogWriter } = require('../../../dist/store/writer.js');
const { verifyLog } = require('../../../dist/store/verify.js');
const { bootId } = require('../../../dist/line/ids.js');

/** What had been answered when the power went, from the lines of `acks`. */
export class Answered {
  verdicts = new Map(); // result id -> {journalSeq, hash}
  opened = new Map(); // result id -> seq
  images = new Set();
  events = new Set();
  labels = new Set();
  audits = new Set();
  bootNumber = 0;
  lastSeq = 0;
  mayBeGone = 0; // retention was asked to go so far
  delivering = 0; // the delivered mark was asked to go so far
  notices = [];

  take(line) {
    const one = JSON.parse(line);
    if (one.k === 'commit') this.verdicts.set(one.id, one);
    else if (one.k === 'open') {
      this.opened.set(one.id, one.seq);
      this.lastSeq = Math.max(this.lastSeq, one.seq);
    } else if (one.k === 'image') this.images.add(one.id);
    else if (one.k === 'event') this.events.add(one.id);
    else if (one.k === 'label') this.labels.add(one.id);
    else if (one.k === 'audit') this.audits.add(one.id);
    else if (one.k === 'start') this.bootNumber = one.bootNumber;
    else if (one.k === 'forget') this.mayBeGone = Math.max(this.mayBeGone, one.upTo);
    else if (one.k === 'delivering') this.delivering = Math.max(this.delivering, one.upTo);
    else if (one.k === 'notice') this.notices.push(one.text);
  }
}

/** {lost, faults}: verdicts answered that are not there as they were answered; everything else that must not be, in words. */
export function judgeRows(dir, answered) {
  const faults = [];
  let lost = 0;
  let db;
  try {
    db = new Database(join(dir, 'log.db'));
    const sound = db.pragma('integrity_check', { simple: true });
    if (sound !== 'ok') return { lost: answered.verdicts.size, faults: [`not sound: ${sound}`] };
    if (db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0) {
      if (answered.bootNumber > 0) faults.push('the file is empty');
      return { lost: answered.verdicts.size, faults };
    }
    const pruned = db.prepare("SELECT value FROM meta WHERE name = 'prunedUpTo'").pluck().get();
    if (pruned > answered.mayBeGone) faults.push(`rows up to ${pruned} are gone, asked for was ${answered.mayBeGone}`);
    const rows = db.prepare('SELECT result_id AS id, journal_seq AS journalSeq, lower(hex(hash)) AS hash FROM inspections').all();
    const there = new Map(rows.map((row) => [row.id, row]));
    for (const { id, journalSeq, hash } of answered.verdicts.values()) {
      const row = there.get(id);
      if (row === undefined ? journalSeq > pruned : row.journalSeq !== journalSeq || row.hash !== hash) lost++;
    }
    const pending = new Set(db.prepare('SELECT result_id FROM pending').pluck().all());
    for (const id of answered.opened.keys()) {
      const decided = answered.verdicts.has(id) || there.has(id);
      if (!decided && !pending.has(id)) faults.push(`part ${id} was opened, and is neither open nor decided`);
      if (there.has(id) && pending.has(id)) faults.push(`part ${id} is open and decided`);
    }
    // Their rows may be gone with retention; labels and audit never are.
    const missing = (asked, sql, what, mayGo) => {
      const found = new Set(db.prepare(sql).pluck().all());
      const gone = [...asked].filter(
        (id) => !found.has(id) && !(mayGo && (answered.verdicts.get(id)?.journalSeq ?? 0) <= answered.mayBeGone),
      );
      if (gone.length > 0) faults.push(`${gone.length} of ${what} are gone: ${gone[0]}`);
    };
    missing(answered.images, 'SELECT result_id FROM images', 'pictures', true);
    missing(answered.events, "SELECT detail FROM events WHERE kind = 'shift'", 'events', true);
    missing(answered.labels, 'SELECT id FROM labels', 'labels', false);
    missing(answered.audits, 'SELECT detail FROM audit', 'audit rows', false);
    const tail = db
      .prepare(
        'SELECT max(n) FROM (SELECT max(journal_seq) n FROM inspections UNION SELECT max(journal_seq) FROM images UNION SELECT max(journal_seq) FROM events)',
      )
      .pluck()
      .get();
    const delivered = db.prepare("SELECT value FROM meta WHERE name = 'deliveredUpTo'").pluck().get();
    if (delivered > answered.delivering) faults.push(`delivered up to ${delivered}, asked for was ${answered.delivering}`);
    if (delivered > (tail ?? 0)) faults.push(`delivered up to ${delivered}, and the log ends at ${tail}`);
    // The outbox is a view over the rows, so each of its entries has its record; here, that none is left out.
    const owed = db.prepare('SELECT count(*) FROM outbox').pluck().get();
    if (owed !== (tail ?? 0) - delivered) faults.push(`${owed} records are owed, expected ${(tail ?? 0) - delivered}`);
  } catch (thrown) {
    faults.push(`cannot be read: ${thrown.message}`);
    lost = answered.verdicts.size;
  } finally {
    db?.close();
  }
  return { lost, faults };
}

/** Faults in words: the chain as found, a start of the log on it, a part judged after that, and the chain again. */
export async function judgeStart(dir, answered) {
  const faults = [];
  const path = join(dir, 'log.db');
  try {
    if (answered.bootNumber > 0) {
      const found = await verifyLog(path);
      if (!found.ok) faults.push(`log verify: ${found.firstBad.journalSeq}: ${found.firstBad.reason}`);
    }
    const writer = new LogWriter(dir);
    const { bootNumber } = writer.open(null);
    if (bootNumber <= answered.bootNumber) faults.push(`boot number ${bootNumber} was used by a run before`);
    const started = writer.begin(bootId(bootNumber), bootNumber);
    if (started.notices.length > 0) faults.push(`the start says: ${started.notices.join('; ')}`);
    if (started.lastSeq < answered.lastSeq) faults.push(`the start goes on after seq ${started.lastSeq}, ${answered.lastSeq} was used`);
    for (let after = 0, batch = writer.backlog(0, 500); batch.length > 0; batch = writer.backlog(after, 500)) {
      for (const { journalSeq } of batch) {
        if (after > 0 && journalSeq !== after + 1) faults.push(`the journal goes from ${after} to ${journalSeq}`);
        after = journalSeq;
      }
    }
    writer.note('bench', 'the log takes records again');
    writer.close();
    const after = await verifyLog(path);
    if (!after.ok) faults.push(`log verify after the start: ${after.firstBad.journalSeq}: ${after.firstBad.reason}`);
  } catch (thrown) {
    faults.push(`no start: ${thrown.message}`);
  }
  return faults;
}
