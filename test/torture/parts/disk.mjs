// A disk that is suddenly full: another program has taken what there was. The shim gives the data directory an end; statfs tells of it.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { ledgerFigures } from '../support/ledger.mjs';
import { sleep, within } from '../support/processes.mjs';
import { startSpoilt } from '../support/spoilt.mjs';
import { scale } from '../support/station.mjs';

const MiB = 2 ** 20;
const total = 200 * MiB;
const enough = 60 * MiB; // above log.minFree, below what the log takes to give its WAL all its size at once
const backLimit = 15_000; // ms from free space to ready; it is looked at each 5 s

function ballastOf({ dataDir }) {
  try {
    return statSync(join(dataDir, 'log.ballast')).size;
  } catch {
    return 0;
  }
}

async function run(ctx) {
  const spoilt = await startSpoilt(ctx, {
    set: { 'log.ballast': 1, 'images.minFree': 16 },
    feed: { every: 20 },
    faults: { limited: 1, total, room: enough },
  });
  if (spoilt.skipped !== undefined) return spoilt;
  const { station, client, heart, faults } = spoilt;
  const failures = [];
  const count = { told: 0, back: 0, silent: 0, 'by ballast': 0 };
  const most = { back: 0 };
  let units = 0;
  while (units < ctx.units && (units === 0 || ctx.left() > 0)) {
    // As long as the ballast of the last time is not back, there is none to give.
    await within(backLimit, () => ballastOf(station) === MiB, 20);
    await sleep(300 + ctx.random() * 700);
    const told = client.next(({ topic, json }) => topic === 'state' && [501, 502].includes(json?.code), 10_000);
    faults.set({ room: Math.floor(ctx.random() * 40_000) });
    units++;
    if ((await told) === null) {
      count.silent++;
      failures.push(`full ${units}: the state did not tell within 10 s; last ${JSON.stringify(heart.last)}`);
    } else count.told++;
    // The ballast makes room for what waits, though the disk is still full to everybody else.
    const journalled = () => new Set(client.of('journal').map(({ json }) => json.resultId));
    const held = () => client.of('result').filter(({ json }) => json.resultEvaluationCode === 502 && !journalled().has(json.resultId));
    if (await within(5000, () => held().length === 0, 50)) count['by ballast']++;
    else
      failures.push(`full ${units}: ${held().length} verdicts waited on, though the ballast should have made room: ${station.tail(600)}`);
    await sleep(ctx.random() * 1000);
    faults.set({ room: enough });
    const freed = performance.now();
    if (await within(backLimit, () => heart.ready)) count.back++;
    else failures.push(`full ${units}: not ready ${backLimit} ms after the disk had room again: ${station.tail(600)}`);
    most.back = Math.max(most.back, performance.now() - freed);
    if (failures.length > 0) break;
  }
  const end = await spoilt.finish();
  return {
    ...{ units, failures: [...failures, ...end.failures], scale, most },
    count: { ...end.count, ...count, errors: end.told.fullErrors },
    notes: ['the shim fails writes that make a file longer with ENOSPC, and tells statfs; log.minFree 16 MiB, log.ballast 1 MiB'],
  };
}

export const part = {
  name: 'disk',
  title: 'the disk is full between two looks at it, under triggers, and has room again',
  promise: 'A full disk is told of, damages nothing and loses no verdict; with room the station is ready again, alone',
  short: 2,
  long: 60,
  slice: 20,
  run,
  figures({ units, count, most }) {
    return [
      {
        what: 'times the disk was full',
        measured: `${units}, ${count.errors} writes refused`,
        goal: '60 (short: 2)',
        ok: count.errors > 0,
      },
      { what: 'state says 501 or 502', measured: `${count.told} times`, goal: 'each time', ok: count.silent === 0 },
      { what: 'parts answered ok 0, 502', measured: String(count.refused), goal: 'some', ok: count.refused > 0 },
      {
        what: "what waited was written by the ballast's room",
        measured: `${count['by ballast']} times`,
        goal: 'each time',
        ok: count['by ballast'] === units,
      },
      {
        what: 'ready again with room',
        measured: `${count.back} times, after ${(most.back / 1000).toFixed(1)} s at the most`,
        goal: 'each time',
        ok: count.back === units,
      },
      ...ledgerFigures(count),
    ];
  },
};
