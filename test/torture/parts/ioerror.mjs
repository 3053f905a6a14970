// A disk that fails now and then: one in a hundred writes and syncs of the log ends with EIO.
import { readFileSync } from 'node:fs';
import { ledgerFigures } from '../support/ledger.mjs';
import { sleep, within } from '../support/processes.mjs';
import { errno } from '../support/shim.mjs';
import { startSpoilt } from '../support/spoilt.mjs';
import { scale } from '../support/station.mjs';

const share = 10_000; // in a million
const backLimit = 15_000; // ms from the last error to ready

async function run(ctx) {
  const spoilt = await startSpoilt(ctx, { feed: { most: 4 } });
  if (spoilt.skipped !== undefined) return spoilt;
  const { station, child, heart, faults } = spoilt;
  const failures = [];
  const errors = () => faults.read().writeErrors + faults.read().syncErrors;
  faults.set({ writeErrno: errno.EIO, syncErrno: errno.EIO, writePpm: share, syncPpm: share });
  while (errors() < ctx.units && ctx.left() > 0 && child.exitCode === null && child.signalCode === null) await sleep(20);
  faults.none();
  const back = (await within(backLimit, () => heart.ready)) ? 1 : 0;
  if (back === 0) failures.push(`not ready ${backLimit} ms after the last error: ${station.tail(800)}`);
  await sleep(500); // parts without errors, too
  const end = await spoilt.finish();
  const { writeErrors, syncErrors } = end.told;
  const writers = readFileSync(station.log, 'utf8').split('the writer of the log died').length - 1;
  return {
    units: writeErrors + syncErrors,
    count: { ...end.count, writeErrors, syncErrors, back, slices: 1, writers },
    ...{
      failures: [...failures, ...end.failures],
      scale,
      notes: ['the shim fails 1 % of the writes and 1 % of the syncs below the data directory with EIO'],
    },
  };
}

export const part = {
  name: 'ioerror',
  title: 'EIO from one write and one sync in a hundred, under triggers',
  promise: 'An error of the disk fails the one verdict it meets, ok 0, and is written later; nothing answered is missing',
  short: 12,
  long: 1000,
  slice: 200,
  run,
  figures({ units, count }) {
    return [
      {
        what: 'errors',
        measured: `${units}: ${count.writeErrors} writes, ${count.syncErrors} syncs`,
        goal: '1,000 (short: 12)',
        ok: units > 0,
      },
      { what: 'parts answered ok 0, 502', measured: String(count.refused), goal: 'some', ok: count.refused > 0 },
      { what: 'the thread of the log ended', measured: String(count.writers), goal: '0', ok: count.writers === 0 },
      { what: 'the station ended', measured: String(count.died), goal: '0', ok: count.died === 0 },
      {
        what: 'ready again without errors',
        measured: `${count.back} of ${count.slices}`,
        goal: 'each time',
        ok: count.back === count.slices,
      },
      ...ledgerFigures(count),
    ];
  },
};
