import { Acceptance, type Decision, defaultRule, type Input, type Rejection } from '../../src/plc/acceptance';
import { readMessage } from '../../src/plc/simulator';

const seq = 7;
const ok: Extract<Input, { kind: 'result' }> = { kind: 'result', v: 1, seq, ok: 1, isSimulated: 0, recipeId: 3, code: 0 };

/** A PLC whose station is alive, with part 7 triggered at time 2000. */
function plc(): Acceptance {
  const acceptance = new Acceptance(defaultRule);
  acceptance.input({ kind: 'heartbeat', hb: 1 }, 1000);
  acceptance.input({ kind: 'heartbeat', hb: 2 }, 2000);
  expect(acceptance.input({ kind: 'trigger', seq, recipeId: 3 }, 2000)).toEqual([]);
  return acceptance;
}
function run(steps: [number, Input][]): Decision[] {
  const acceptance = plc();
  return steps.flatMap(([at, input]) => acceptance.input(input, at));
}
const rejected = (reason: Rejection, code = 0): Decision[] => [{ seq, gate: 'reject', reason, code }];
const ack: [number, Input] = [2050, { kind: 'ack', seq, ack: 1, code: 0 }];
const acquired: [number, Input] = [2080, { kind: 'acquired', seq }];
const end: [number, Input] = [9000, { kind: 'tick' }];

test.each<[string, [number, Input][], Rejection, number]>([
  ['silence', [end], 'noAck', 0],
  ['no ack', [acquired, [2090, ok], end], 'noAck', 0],
  ['ack 101 ms after the trigger', [[2101, { kind: 'ack', seq, ack: 1, code: 0 }], acquired, [2200, ok], end], 'noAck', 0],
  ['ack 0', [[2050, { kind: 'ack', seq, ack: 0, code: 202 }], acquired, [2200, ok]], 'ackRefused', 202],
  ['ack 1, then ack 0', [ack, [2060, { kind: 'ack', seq, ack: 0, code: 206 }], acquired, [2200, ok]], 'ackRefused', 206],
  ['ack unreadable', [[2050, { kind: 'ack', seq, ack: -1, code: -1 }], acquired, [2200, ok]], 'ackRefused', -1],
  ['ack of another part', [[2050, { kind: 'ack', seq: 6, ack: 1, code: 0 }], acquired, [2200, ok], end], 'noAck', 0],
  ['no acquired', [ack, [2200, ok], end], 'noAcquired', 0],
  ['acquired after the part left', [ack, [2070, { kind: 'left', seq }], acquired, [2200, ok]], 'noAcquired', 0],
  ['no result', [ack, acquired, end], 'noResult', 0],
  ['result at T_result', [ack, acquired, [3500, ok]], 'noResult', 0],
  ['result of another part', [ack, acquired, [2200, { ...ok, seq: 6 }], end], 'noResult', 0],
  ['ok 0', [ack, acquired, [2200, { ...ok, ok: 0, code: 101 }], [2201, ok]], 'notOk', 101],
  ['ok unreadable', [ack, acquired, [2200, { ...ok, ok: -1, code: -1 }], [2201, ok]], 'notOk', -1],
  ['ok 2', [ack, acquired, [2200, { ...ok, ok: 2 }]], 'notOk', 0],
  ['simulated', [ack, acquired, [2200, { ...ok, isSimulated: 1 }]], 'simulated', 0],
  ['another recipe', [ack, acquired, [2200, { ...ok, recipeId: 4 }]], 'wrongRecipe', 0],
  ['another version', [ack, acquired, [2200, { ...ok, v: 2 }]], 'wrongVersion', 0],
  ['triggered again under the same number', [ack, [2060, { kind: 'trigger', seq, recipeId: 3 }], acquired, [2200, ok]], 'superseded', 0],
])('%s: reject', (_name, steps, reason, code) => {
  expect(run(steps)[0]).toEqual(rejected(reason, code)[0]);
  expect(run([...steps, end]).some((decision) => decision.gate === 'open')).toBe(false);
});

test('a heartbeat that repeats its number, or stopped 3 periods ago, opens nothing', () => {
  const frozen = new Acceptance(defaultRule);
  for (let at = 0; at <= 2000; at += 1000) frozen.input({ kind: 'heartbeat', hb: 1 }, at);
  frozen.input({ kind: 'trigger', seq, recipeId: 3 }, 2000);
  frozen.input(...([ack[1], ack[0]] as const));
  frozen.input(...([acquired[1], acquired[0]] as const));
  expect(frozen.input(ok, 2200)).toEqual(rejected('heartbeat'));

  const stopped = new Acceptance(defaultRule);
  stopped.input({ kind: 'heartbeat', hb: 65535 }, -1000);
  stopped.input({ kind: 'heartbeat', hb: 0 }, -900); // rolled over: a movement
  stopped.input({ kind: 'trigger', seq, recipeId: 3 }, 2000);
  stopped.input(ack[1], 2050);
  stopped.input(acquired[1], 2080);
  expect(stopped.input(ok, 2101)).toEqual(rejected('heartbeat'));
});

test.each<[string, [number, Input][]]>([
  ['in order', [ack, acquired, [2200, ok]]],
  ['result before acquired, acquired before ack', [[2020, ok], [2030, { kind: 'acquired', seq }], ack]],
  ['every message twice', [ack, ack, acquired, acquired, [2200, ok], [2201, ok], [2202, ok]]],
  ['acquired, then gone on', [ack, acquired, [2100, { kind: 'left', seq }], [2200, ok]]],
  ['one millisecond before T_result', [ack, acquired, [3499, ok]]],
])('all there, %s: open, once', (_name, steps) => {
  expect(run([...steps, end])).toEqual([{ seq, gate: 'open' }]);
});

test('any one condition taken away closes the gate: all 32 combinations', () => {
  let opened = 0;
  for (let bits = 0; bits < 32; bits++) {
    const has = (bit: number) => (bits & (1 << bit)) !== 0;
    const steps: [number, Input][] = [];
    if (has(0)) steps.push(ack);
    if (has(1)) steps.push(acquired);
    if (has(2)) steps.push([2200, { ...ok, ok: has(3) ? 1 : 0, isSimulated: has(4) ? 0 : 1 }]);
    const decisions = run([...steps, end]);
    expect(decisions).toHaveLength(1);
    if (decisions[0]?.gate === 'open') opened++;
    expect(decisions[0]?.gate).toBe(bits === 31 ? 'open' : 'reject');
  }
  expect(opened).toBe(1);
});

test('a no after the gate was opened revokes, once; a yes after a reject changes nothing', () => {
  const acceptance = plc();
  for (const [at, input] of [ack, acquired]) acceptance.input(input, at);
  expect(acceptance.input(ok, 2200)).toEqual([{ seq, gate: 'open' }]);
  expect(acceptance.input({ ...ok, ok: 0, code: 206 }, 2300)).toEqual([{ seq, gate: 'revoked', code: 206 }]);
  expect(acceptance.input({ ...ok, ok: 0, code: 206 }, 2301)).toEqual([]);
  expect(acceptance.input(ok, 2302)).toEqual([]);
});

test('payloads that are no message read as -1, never as a yes', () => {
  for (const text of ['', 'null', '[]', '5', '{', '{"seq":"7","ok":true,"v":1.5}', '{"ok":"1"}', 'x;y;z']) {
    for (const topic of ['result', 'result/csv', 'ack'] as const) {
      const input = readMessage(topic, text);
      if (input?.kind === 'result') expect(input).toMatchObject({ seq: -1, ok: -1 });
      if (input?.kind === 'ack') expect(input).toMatchObject({ ack: -1 });
    }
  }
  expect(readMessage('result/csv', '1;7;1;1;0;1;0;314;620;3;90;A')).toEqual(ok);
});
