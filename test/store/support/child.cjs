// A station's log in a process of its own, for kill.test.ts: commits without end and prints what was acknowledged.
const { writeSync } = require('node:fs');
const { SqliteLog } = require('../../../dist/store/log');
const { monotonicMs } = require('../../../dist/clock');

async function main(dir) {
  let boot = 0;
  const bootId = (n) => {
    boot = n;
    return `boot${n}`;
  };
  const log = new SqliteLog({ dir, bootId, notice: (text) => writeSync(1, `notice ${text}\n`) });
  const { lastSeq, aborted } = await log.start(new AbortController().signal);
  writeSync(1, `start ${lastSeq} ${aborted}\n`);
  for (let n = 1; ; n++) {
    const part = {
      resultId: `${String(boot).padStart(5, '0')}${String(n).padStart(9, '0')}`,
      seq: lastSeq + n,
      partId: `A${n}`,
      recipe: { id: 'cast', number: 3 },
      opened: monotonicMs(),
      openedUtc: new Date().toISOString(),
      clockTrusted: true,
      simulated: false,
    };
    await log.open(part);
    writeSync(1, `open ${part.seq}\n`);
    const good = n % 4 !== 0;
    const { journalSeq, hash } = await log.commit({
      part,
      evaluation: good ? 1 : 2,
      code: good ? 0 : 101,
      state: 1,
      score: n / 7,
      limit: 0.5,
      frameId: n,
      mapMax: n / 3,
      probabilities: null,
      provider: 'cpu',
      bundle: 'b'.repeat(64),
      config: 'c'.repeat(64),
      timings: { startTime: part.openedUtc, endTime: part.openedUtc, acquisitionDuration: 60, processingDuration: 90 },
      late: false,
      detail: '',
      released: good ? 1 : 0,
      lot: '',
    });
    writeSync(1, `commit ${part.resultId} ${journalSeq} ${hash}\n`);
    if (n % 5 === 0) await log.event('shift', `part ${n}`);
    if (n % 3 === 0) await log.delivered(journalSeq);
  }
}

void main(process.argv[2]);
