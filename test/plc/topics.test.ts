import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Code, codes, watchAlarms } from '../../src/codes';
import { packageRoot } from '../../src/package';
import * as wire from '../../src/plc/topics';
import type { StateName } from '../../src/ports';

const everyCode = Object.keys(codes).map(Number) as Code[];
const ascii = /^[\x20-\x7e]*$/;

/** Every corner of every field, also values that must be clamped. */
function* extremes(): Generator<wire.ResultFields> {
  const texts = ['', 'A', 'x'.repeat(32), 'x'.repeat(500), '"},;\\\u0000\u00e4\u{1f600}'.repeat(9)];
  const numbers = [0, 1, 65535, 2147483647, 1e300, -5, 0.4, Number.NaN, Number.POSITIVE_INFINITY];
  for (const number of numbers)
    for (const text of texts)
      for (const score of [null, 0, 0.0004, 65.534, 65.535, 1e300, -1, Number.NaN])
        for (const ok of [0, 1] as const)
          for (const evaluation of [0, 1, 2, 3] as const)
            yield {
              seq: number,
              ok,
              resultEvaluation: evaluation,
              resultEvaluationCode: 703,
              resultState: 4,
              isSimulated: 1,
              score,
              limit: score,
              recipeId: number,
              age: number,
              partId: text,
              resultId: text,
            };
}

test.each(['', '/a', 'a/', 'a//b', 'a/b/c/d/e', 'a+b', 'a/#', '$SYS/a', 'a b', 'ä', 'a\0', 'x'.repeat(51)])(
  'base topic %j is refused',
  (base) => {
    expect(() => wire.topicsUnder(base)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  },
);

test('whole topics stay within 64 characters under the longest base', () => {
  const topics = wire.topicsUnder('x'.repeat(wire.limits.base));
  const names = Object.keys(wire.topicTable).filter((name): name is wire.PlainTopic => name !== 'alarm/<code>');
  for (const topic of [...names.map(topics.of), ...everyCode.map(topics.alarm)]) expect(topic.length).toBeLessThanOrEqual(64);
});

test('worst cases: result JSON <= 254 bytes, CSV <= 80, flat integers, nothing to escape', () => {
  let json = 0;
  let csv = 0;
  for (const fields of extremes()) {
    const result = wire.encodeResult(fields);
    const small = wire.encodeResultCsv(fields);
    const last = wire.encodeLast(fields);
    json = Math.max(json, Buffer.byteLength(result));
    csv = Math.max(csv, Buffer.byteLength(small));
    for (const text of [result, last]) {
      expect(text).toMatch(ascii);
      expect(text).not.toMatch(/[ \\]|null|NaN|Infinity/);
      for (const [key, value] of Object.entries(JSON.parse(text) as Record<string, unknown>)) {
        if (key === 'partId' || key === 'resultId' || key === 'verdict') expect(typeof value).toBe('string');
        else expect(Number.isInteger(value)).toBe(true);
      }
    }
    expect(small).toMatch(/^1(;\d{1,10}){10};[A-Za-z0-9_.:-]{0,24}$/);
  }
  process.stderr.write(`topics: worst result ${json} bytes, worst CSV ${csv} bytes\n`);
  expect(json).toBeLessThanOrEqual(wire.limits.resultBytes);
  expect(csv).toBeLessThanOrEqual(wire.limits.smallBytes);
});

test('worst cases: ack, acquired, heartbeat <= 80 bytes for every code', () => {
  let worst = 0;
  const states: StateName[] = ['Preoperational', 'Halted', 'Error', 'Operational'];
  for (const code of everyCode) {
    for (const seq of [0, 2147483647, 1e12, Number.NaN]) {
      const small = [wire.encodeAck(seq, code), wire.encodeAcquired(seq)];
      for (const state of states) small.push(wire.encodeHeartbeat({ hb: 65535, ready: 1, state, code, lastSeq: seq }));
      for (const text of small) {
        JSON.parse(text);
        expect(text).toMatch(ascii);
        worst = Math.max(worst, text.length);
      }
    }
  }
  process.stderr.write(`topics: worst of ack, acquired, heartbeat ${worst} bytes\n`);
  expect(worst).toBeLessThanOrEqual(wire.limits.smallBytes);
});

test("the contract's own examples come out letter by letter", () => {
  const fields: wire.ResultFields = {
    seq: 184467,
    ok: 0,
    resultEvaluation: 2,
    resultEvaluationCode: 101,
    resultState: 1,
    isSimulated: 0,
    score: 0.874,
    limit: 0.62,
    recipeId: 3,
    age: 157.2,
    partId: 'A0001234',
    resultId: '01JD3K8W2Q7M4Z',
  };
  expect(wire.encodeResult(fields)).toBe(wire.topicTable.result.payload);
  expect(wire.encodeResultCsv(fields)).toBe(wire.topicTable['result/csv'].payload);
  expect(wire.encodeLast(fields)).toBe(wire.topicTable.last.payload);
  expect(wire.encodeAck(184467, 0)).toBe(wire.topicTable.ack.payload);
  expect(wire.encodeAcquired(184467)).toBe(wire.topicTable.acquired.payload);
  expect(wire.encodeHeartbeat({ hb: 4711, ready: 1, state: 'Operational', code: 0, lastSeq: 184467 })).toBe(
    wire.topicTable.heartbeat.payload,
  );
  const state = {
    state: 'Operational',
    sub: 'Ready',
    ready: 1,
    code: 0,
    recipeId: 3,
    ep: 'tensorrt',
    bundle: '9f3c1a7e',
    config: '51d0c2aa',
    bootId: '0000H',
  } as const;
  expect(wire.encodeState(state)).toBe(wire.topicTable.state.payload);
  expect(wire.encodeAlarm(301, codes[301].name, codes[301].text)).toBe(wire.topicTable['alarm/<code>'].payload);
  expect(wire.encodeStats({ triggers: 900, ok: 880, ng: 15, undecided: 3, errors: 2, timeMin: 90, timeAvg: 119.2, timeMax: 310 })).toBe(
    wire.topicTable.stats.payload,
  );
  const about = { version: '0.1.0', triggerMode: 'software', maxOpen: 4, ttl: 1500, heartbeat: 1000 } as const;
  expect(wire.encodeAbout(about, state)).toBe(wire.topicTable.about.payload);
});

test('a partId longer than the CSV keeps its last 24 characters', () => {
  const [fields] = extremes();
  if (fields === undefined) throw new Error('no fields');
  const csv = wire.encodeResultCsv({ ...fields, partId: 'abcdefgh012345678901234567890123' });
  expect(csv.split(';')[11]).toBe('012345678901234567890123');
});

test('no score is 65535, the highest score is not', () => {
  expect([wire.milli(null), wire.milli(Number.NaN), wire.milli(1e9), wire.milli(-1), wire.milli(0.6204)]).toEqual([
    65535, 65535, 65534, 0, 620,
  ]);
});

test('names in state and about cannot break the JSON', () => {
  const text = wire.encodeState({
    state: 'Error',
    sub: '',
    ready: 0,
    code: 301,
    recipeId: -1,
    ep: 'a"b\\c\u0000\u00e4',
    bundle: '',
    config: '',
    bootId: 'x'.repeat(999),
  });
  expect(JSON.parse(text)).toMatchObject({ recipeId: 0, ep: 'a_b_c__' });
});

test('actuation topics are never retained', () => {
  for (const row of Object.values(wire.topicTable) as wire.TopicRow[]) if (row.actuation) expect(row.retain).toBe(false);
});

test('docs/mqtt.md carries the tables of the code', () => {
  const page = readFileSync(join(packageRoot, 'docs/mqtt.md'), 'utf8');
  const between = (mark: string) => page.split(`<!-- ${mark} in src/plc/topics.ts -->\n`)[1]?.split('\n<!-- end -->')[0];
  expect(between('topics: made by topicTableMarkdown()')).toBe(wire.topicTableMarkdown());
  expect(between('codes: made by codeTableMarkdown()')).toBe(wire.codeTableMarkdown());
  expect(between('alarms: made by watchAlarmTableMarkdown()')).toBe(wire.watchAlarmTableMarkdown());
});

test('stats: the watch stands last; drift is signed, and 0 while there is no baseline', () => {
  const counts = { triggers: 1, ok: 1, ng: 0, undecided: 0, errors: 0, timeMin: 1, timeAvg: 1, timeMax: 1 };
  const watch = { rejectsInRow: 2, sinceReject: 0, baselineMissing: 7, journalDropped: 4 };
  const text = wire.encodeStats({ ...counts, watch: { ...watch, drift: { score: -0.7994, brightness: 1e9, sharpness: null } } });
  expect(text.startsWith(wire.encodeStats(counts).slice(0, -1))).toBe(true);
  expect(JSON.parse(text)).toMatchObject({ ...watch, driftScore: -799, driftBrightness: 32767, driftSharpness: 0 });
  const still = wire.encodeStats({ ...counts, watch: { ...watch, drift: { score: -0.0001, brightness: null, sharpness: null } } });
  expect(still).toContain('"driftScore":0,');
});

test('alarms of the watch have numbers of their own: no verdict can carry one', () => {
  for (const code of Object.keys(watchAlarms)) expect(Object.keys(codes)).not.toContain(code);
  for (const [code, { name, text }] of Object.entries(watchAlarms))
    expect(wire.encodeAlarm(Number(code) as keyof typeof watchAlarms, name, text)).toBe(
      `{"v":1,"code":${code},"name":"${name}","text":"${text}"}`,
    );
});

test('stats: what the camera says of itself stands behind the keys of the first version; integers only, whatever it says', () => {
  const counts = { triggers: 1, ok: 1, ng: 0, undecided: 0, errors: 0, timeMin: 1, timeAvg: 1, timeMax: 1 };
  const camera = { connected: true, alive: 0, frames: 7, faults: { incomplete: 2, short: 1, frozen: 4 }, temperature: 41.26 };
  const values = { DeviceUptime: 3600, LinkErrorCount: 3, DeviceLinkCurrentThroughput: 199_999_500 };
  const text = wire.encodeStats({ ...counts, camera: { ...camera, values } });
  expect(text.startsWith(wire.encodeStats(counts).slice(0, -1))).toBe(true);
  expect(JSON.parse(text)).toMatchObject({
    cameraConnected: 1,
    cameraFrames: 7,
    cameraTemperature: 413,
    cameraUptime: 3600,
    linkErrors: 3,
    throughput: 200_000,
    faultIncomplete: 3,
    faultFrozen: 4,
    faultLost: 0,
  });
  for (const temperature of [null, Number.NaN, -1e9, 1e9]) {
    const odd = wire.encodeStats({
      ...counts,
      camera: { ...camera, temperature, values: { DeviceUptime: Number.NaN, LinkErrorCount: -1 } },
    });
    for (const value of Object.values(JSON.parse(odd) as object)) expect(Number.isInteger(value)).toBe(true);
  }
});
