// One session of a station's log under load, for powercut.mjs: record.cjs DIR SEED PARTS stop|kill
// Everything that was answered is written to DIR/acks at once, so that it stands in the recording in its place. What may take rows away
// (retention) or moves the delivered mark is written there before it is asked for.
const { openSync, writeSync } = require('node:fs');
const { join } = require('node:path');
const { SqliteLog } = require('../../../dist/store/log');
const { bootId } = require('../../../dist/line/ids');
const { monotonicMs } = require('../../../dist/clock');

const open = 3; // parts under way at once
const [, , dir, seed, parts, end] = process.argv;
const acks = openSync(join(dir, 'acks'), 'a');
const say = (one) => writeSync(acks, `${JSON.stringify(one)}\n`);

let state = Number(seed) >>> 0;
const random = (n) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return (state >>> 8) % n;
};

async function main() {
  const log = new SqliteLog({ dir, bootId, notice: (text) => say({ k: 'notice', text }) });
  const started = await log.start(new AbortController().signal);
  const boot = started.bootNumber;
  say({ k: 'start', bootNumber: started.bootNumber, lastSeq: started.lastSeq });
  let n = 0;
  let last = 0; // journalSeq of the newest verdict
  const one = async () => {
    while (n < Number(parts)) await judge(++n);
  };
  const judge = async (number) => {
    const utc = new Date().toISOString();
    const resultId = `${String(boot).padStart(5, '0')}${String(number).padStart(9, '0')}`;
    const seq = started.lastSeq + number;
    const part = { resultId, seq, partId: `A${number}`, recipe: { id: 'cast', number: 3 } };
    Object.assign(part, { opened: monotonicMs(), openedUtc: utc, clockTrusted: true, simulated: false });
    await log.open(part);
    say({ k: 'open', id: resultId, seq });
    const good = random(4) > 0;
    const { journalSeq, hash } = await log.commit({
      ...{ part, evaluation: good ? 1 : 2, code: good ? 0 : 101, state: 1, score: number / 7, limit: 0.5, frameId: number, mapMax: 0.25 },
      ...{
        probabilities: null,
        provider: 'cpu',
        bundle: 'b'.repeat(64),
        config: 'c'.repeat(64),
        late: false,
        lot: '',
        released: good ? 1 : 0,
      },
      detail: good ? '' : 'scratch '.repeat(random(60)), // rows of differing length
      timings: { startTime: utc, endTime: utc, acquisitionDuration: 60, processingDuration: 90 },
    });
    say({ k: 'commit', id: resultId, journalSeq, hash });
    last = Math.max(last, journalSeq);
    await beside(resultId, number);
  };
  /** What a station writes beside verdicts. */
  const beside = async (resultId, number) => {
    if (random(4) === 0) {
      say({ k: 'delivering', upTo: last });
      await log.delivered(last);
    }
    if (random(5) === 0) {
      await log.image({ resultId, name: `2026/${resultId}.jpg`, kind: 'picture', sha256: 'a'.repeat(64), bytes: 4000 });
      say({ k: 'image', id: resultId });
    }
    if (random(40) === 0) {
      await log.event('shift', resultId);
      say({ k: 'event', id: resultId });
    }
    if (random(25) === 0) {
      const id = await log.label({ resultId, label: 'bad', description: 'scratch', by: 'bench' });
      say({ k: 'label', id });
    }
    if (random(25) === 0) {
      await log.audit({ actor: 'bench', action: 'limit', detail: resultId });
      say({ k: 'audit', id: resultId });
    }
    if (number % 50 === 0) await log.live({ wall: Date.now(), trusted: true, mono: monotonicMs(), kernelBoot: 'bench' });
    if (number % 90 === 0) {
      const upTo = last - 150;
      say({ k: 'forget', upTo });
      await log.forget({ upTo, most: 400, keep: 100, why: 'older than the bench wants' });
    }
  };
  await Promise.all(Array.from({ length: open }, one));
  if (end === 'kill') process.kill(process.pid, 'SIGKILL');
  await log.stop(monotonicMs() + 10_000);
  say({ k: 'stopped' });
}

main().catch((thrown) => {
  console.error(thrown);
  process.exit(1); // the log's thread may still run, and the bench waits for this process
});
