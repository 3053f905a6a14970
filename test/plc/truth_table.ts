/**
 * The accepting rule (contract, handshake rule 3) as data: what a PLC meets, in ms and inputs, and what it decides. One part at a time,
 * number 7 with recipe 3, triggered at 2000 with a heartbeat that moved at that moment. Run against src/plc/acceptance.ts and
 * against the blocks of docs/plc.
 */
import { type Decision, defaultRule, type Input, type Rejection, type Rule } from '../../src/plc/acceptance';

export type Step = [at: number, input: Input];
export interface Row {
  name: string;
  rule: Rule;
  steps: Step[];
  decisions: Decision[];
}

const seq = 7;
export const good: Extract<Input, { kind: 'result' }> = { kind: 'result', v: 1, seq, ok: 1, isSimulated: 0, recipeId: 3, code: 0 };
const beat = (at: number, hb: number): Step => [at, { kind: 'heartbeat', hb }];
const trigger = (at: number, number = seq, recipeId = 3): Step => [at, { kind: 'trigger', seq: number, recipeId }];
const acks = (at: number, ack = 1, code = 0, number = seq): Step => [at, { kind: 'ack', seq: number, ack, code }];
const acquires = (at: number, number = seq): Step => [at, { kind: 'acquired', seq: number }];
const results = (at: number, change: Partial<typeof good> = {}): Step => [at, { ...good, ...change }];
const leaves = (at: number): Step => [at, { kind: 'left', seq }];
const edges = (at: number): Step => [at, { kind: 'edge', seq }];
const ticks = (at: number): Step => [at, { kind: 'tick' }];

const lives: Step[] = [beat(1000, 1), beat(2000, 2)];
const begun: Step[] = [...lives, trigger(2000)];
const ack = acks(2050);
const acquired = acquires(2080);
const ok = results(2200);
const end = ticks(9000);
const opens: Decision = { seq, gate: 'open' };
const revokes = (code: number): Decision => ({ seq, gate: 'revoked', code });
const rejects = (reason: Rejection, code = 0): Decision => ({ seq, gate: 'reject', reason, code });

/** After the trigger: steps, decision. */
const refused: [string, Step[], Decision][] = [
  ['silence', [], rejects('noAck')],
  ['no ack', [acquired, results(2090)], rejects('noAck')],
  ['ack 101 ms after the trigger', [acks(2101), acquired, ok], rejects('noAck')],
  ['ack 0', [acks(2050, 0, 202), acquired, ok], rejects('ackRefused', 202)],
  ['ack 1, then ack 0', [ack, acks(2060, 0, 206), acquired, ok], rejects('ackRefused', 206)],
  ['ack unreadable', [acks(2050, -1, -1), acquired, ok], rejects('ackRefused', -1)],
  ['ack 2', [acks(2050, 2), acquired, ok], rejects('ackRefused')],
  ['ack of another part', [acks(2050, 1, 0, 6), acquired, results(2090)], rejects('noAck')],
  ['no acquired', [ack, ok], rejects('noAcquired')],
  ['acquired of another part', [ack, acquires(2080, 6), ok], rejects('noAcquired')],
  ['acquired after the part left', [ack, leaves(2070), acquired, ok], rejects('noAcquired')],
  ['acquired at T_result', [ack, results(2090), acquires(3500)], rejects('noAcquired')],
  ['no result', [ack, acquired], rejects('noResult')],
  ['result at T_result', [ack, acquired, results(3500)], rejects('noResult')],
  ['result of another part', [ack, acquired, results(2200, { seq: 6 })], rejects('noResult')],
  ['result without a number', [ack, acquired, results(2200, { seq: 0 })], rejects('noResult')],
  ['result with an unreadable number', [ack, acquired, results(2200, { seq: -1 })], rejects('noResult')],
  ['ok 0', [ack, acquired, results(2200, { ok: 0, code: 101 }), results(2201)], rejects('notOk', 101)],
  ['ok 0 before ack', [results(2010, { ok: 0, code: 101 }), ack, acquired, ok], rejects('notOk', 101)],
  ['ok unreadable', [ack, acquired, results(2200, { ok: -1, code: -1 }), results(2201)], rejects('notOk', -1)],
  ['ok 2', [ack, acquired, results(2200, { ok: 2 })], rejects('notOk')],
  ['simulated', [ack, acquired, results(2200, { isSimulated: 1 })], rejects('simulated')],
  ['simulated unreadable', [ack, acquired, results(2200, { isSimulated: -1 })], rejects('simulated')],
  ['another recipe', [ack, acquired, results(2200, { recipeId: 4 })], rejects('wrongRecipe')],
  ['another version', [ack, acquired, results(2200, { v: 2 })], rejects('wrongVersion')],
  ['version unreadable', [ack, acquired, results(2200, { v: -1, code: 5 })], rejects('wrongVersion', 5)],
];

const admitted: [string, Step[]][] = [
  ['in order', [ack, acquired, ok]],
  ['ack 100 ms after the trigger', [acks(2100), acquires(2101), ok]],
  ['result before acquired, acquired before ack', [results(2020), acquires(2030), ack]],
  ['every message twice', [ack, ack, acquired, acquired, ok, results(2201), results(2202)]],
  ['acquired, then gone on', [ack, acquired, leaves(2100), ok]],
  ['one millisecond before T_result', [ack, acquired, results(3499)]],
  ['a no for another part', [ack, acks(2060, 0, 203, 6), acquired, results(2190, { seq: 6, ok: 0, code: 101 }), ok]],
  ['a sensor edge that a software trigger has no use for', [edges(2010), ack, acquired, ok]],
];

/** Ack, acquired, result, ok, not simulated: with any one of them missing the gate stays shut. */
function combinations(): Row[] {
  return Array.from({ length: 32 }, (_, bits) => {
    const has = (bit: number) => (bits & (1 << bit)) !== 0;
    const steps = [...begun];
    if (has(0)) steps.push(ack);
    if (has(1)) steps.push(acquired);
    if (has(2)) steps.push(results(2200, { ok: has(3) ? 1 : 0, isSimulated: has(4) ? 0 : 1 }));
    const late = !has(0) ? rejects('noAck') : has(2) && !has(3) ? rejects('notOk') : has(2) && !has(4) ? rejects('simulated') : null;
    const decision = late ?? (has(1) && has(2) ? opens : rejects(has(1) ? 'noResult' : 'noAcquired'));
    return { name: `combination ${bits.toString(2).padStart(5, '0')}`, rule: defaultRule, steps: [...steps, end], decisions: [decision] };
  });
}

const slow: Rule = { ...defaultRule, heartbeat: 100 };
const whole = [trigger(2000), ack, acquired];
const heartbeats: Row[] = [
  { name: 'no heartbeat', rule: defaultRule, steps: [...whole, ok], decisions: [rejects('heartbeat')] },
  { name: 'one heartbeat', rule: defaultRule, steps: [beat(1990, 5), ...whole, ok], decisions: [rejects('heartbeat')] },
  {
    name: 'a heartbeat that repeats its number',
    rule: defaultRule,
    steps: [beat(0, 1), beat(1000, 1), beat(2000, 1), ...whole, ok],
    decisions: [rejects('heartbeat')],
  },
  { name: 'moved 3 periods ago', rule: slow, steps: [beat(1800, 1), beat(1900, 2), ...whole, ok], decisions: [opens] },
  {
    name: 'moved 3 periods and 1 ms ago',
    rule: slow,
    steps: [beat(1800, 1), beat(1900, 2), ...whole, results(2201)],
    decisions: [rejects('heartbeat')],
  },
  {
    name: 'repeated since, moved too long ago',
    rule: slow,
    steps: [beat(1800, 1), beat(1900, 2), ...whole, beat(2150, 2), results(2201)],
    decisions: [rejects('heartbeat')],
  },
  {
    name: 'rolled over from 65535 to 0: it moved',
    rule: defaultRule,
    steps: [beat(1000, 65535), beat(1900, 0), ...whole, ok],
    decisions: [opens],
  },
  {
    name: 'moved between acquired and result',
    rule: defaultRule,
    steps: [beat(1000, 1), ...whole, beat(2100, 2), ok],
    decisions: [opens],
  },
  {
    name: 'silent for an hour before',
    rule: defaultRule,
    steps: [beat(-3_600_001, 1), beat(-3_600_000, 2), ...whole, ok],
    decisions: [rejects('heartbeat')],
  },
];

const others: Row[] = [
  {
    name: 'a refusal without a number (205) is for nobody',
    rule: defaultRule,
    steps: [...lives, acks(1990, 0, 205, 0), results(1991, { seq: 0, ok: 0, code: 402 }), trigger(2000), ack, acquired, ok, end],
    decisions: [opens],
  },
  {
    name: 'number 1 is a part; a trigger without a number does not disturb it',
    rule: defaultRule,
    steps: [...lives, trigger(2000, 1), acks(2050, 1, 0, 1), trigger(2060, 0), acquires(2080, 1), results(2200, { seq: 1 }), end],
    decisions: [{ seq: 1, gate: 'open' }],
  },
  {
    name: 'number 1 triggered twice',
    rule: defaultRule,
    steps: [...lives, trigger(2000, 1), acks(2050, 1, 0, 1), acquires(2080, 1), trigger(2300, 1), end],
    decisions: [
      { seq: 1, gate: 'reject', reason: 'superseded', code: 0 },
      { seq: 1, gate: 'reject', reason: 'noAck', code: 0 },
    ],
  },
  {
    name: 'a no for number 1 concerns no other part',
    rule: defaultRule,
    steps: [...begun, acks(2010, 0, 203, 1), ack, acquired, ok, results(2300, { ok: 0, code: 206 }), acks(2310, 0, 203, 1), end],
    decisions: [opens, revokes(206)],
  },
  { name: 'ok 1 beside a code', rule: defaultRule, steps: [...begun, ack, acquired, results(2200, { code: 9 }), end], decisions: [opens] },
  {
    name: 'messages before their trigger belong to nobody',
    rule: defaultRule,
    steps: [...lives, acks(1990), acquires(1995), results(1999), trigger(2000), end],
    decisions: [rejects('noAck')],
  },
  {
    name: 'number 0 is no part',
    rule: defaultRule,
    steps: [...lives, trigger(2000, 0), acks(2050, 1, 0, 0), acquires(2080, 0), results(2200, { seq: 0 }), end],
    decisions: [],
  },
  {
    name: 'triggered again under the same number: what came for the first counts no more',
    rule: defaultRule,
    steps: [...begun, ack, acquired, trigger(2090), results(2100), end],
    decisions: [rejects('superseded'), rejects('noAck')],
  },
  {
    name: 'triggered again under the same number, answered again',
    rule: defaultRule,
    steps: [...begun, ack, trigger(2060), acks(2070), acquired, ok, end],
    decisions: [rejects('superseded'), opens],
  },
  {
    name: 'the next part after one let through',
    rule: defaultRule,
    steps: [...begun, ack, acquired, ok, trigger(2300, 8), acks(2310, 1, 0, 8), acquires(2320, 8), results(2400, { seq: 8 }), end],
    decisions: [opens, { seq: 8, gate: 'open' }],
  },
  {
    name: 'the next part after one rejected: nothing of the first is left',
    rule: defaultRule,
    steps: [...begun, ack, acquired, results(2200, { ok: 0, code: 101 }), trigger(2300, 8), results(2400, { seq: 8 }), end],
    decisions: [rejects('notOk', 101), { seq: 8, gate: 'reject', reason: 'noAck', code: 0 }],
  },
  { name: 'recipe 0: any', rule: defaultRule, steps: [...lives, trigger(2000, 7, 0), ack, acquired, ok, end], decisions: [opens] },
  {
    name: 'simulated, waived for commissioning',
    rule: { ...defaultRule, acceptSimulated: true },
    steps: [...begun, ack, acquired, results(2200, { isSimulated: 1 }), end],
    decisions: [opens],
  },
  {
    name: 'a no after the gate was opened revokes, once',
    rule: defaultRule,
    steps: [...begun, ack, acquired, ok, results(2300, { ok: 0, code: 206 }), results(2301, { ok: 0, code: 206 }), results(2302), end],
    decisions: [opens, revokes(206)],
  },
  {
    name: 'ack 0 after the gate was opened revokes',
    rule: defaultRule,
    steps: [...begun, ack, acquired, ok, acks(2300, 0, 203), end],
    decisions: [opens, revokes(203)],
  },
  {
    name: 'what is no no, or is for another part, revokes nothing',
    rule: defaultRule,
    steps: [
      ...begun,
      ack,
      acquired,
      ok,
      results(2300),
      acks(2301),
      acks(2310, 0, 203, 6),
      results(2320, { seq: 6, ok: 0, code: 101 }),
      end,
    ],
    decisions: [opens],
  },
];

const hardware: Rule = { ...defaultRule, tEdge: 1000 };
const announced = [beat(1500, 1), beat(2400, 2), trigger(2000), acks(2050)];
const sensor: [string, Step[], Decision][] = [
  ['edge, acquired, result', [edges(2500), acquires(2520), results(2700)], opens],
  ['no edge', [], rejects('noEdge')],
  ['edge as late as allowed', [edges(3000), acquires(3020), results(3200)], opens],
  ['edge 1 ms later than that', [edges(3001), acquires(3020), results(3200)], rejects('noEdge')],
  ['acquired before the edge: the exposure of another part', [acquires(2450), edges(2500), results(2700)], rejects('acquiredEarly')],
  ['T_result counts from the edge', [edges(2500), acquires(2520), results(3999)], opens],
  ['result at T_result after the edge', [edges(2500), acquires(2520), results(4000)], rejects('noResult')],
  ['nothing after the edge', [edges(2500)], rejects('noAcquired')],
  ['a bouncing edge does not start T_result again', [edges(2500), edges(3900), acquires(3910), results(4000)], rejects('noResult')],
];

const rows: readonly Row[] = [
  ...refused.map(([name, steps, decision]): Row => ({ name, rule: defaultRule, steps: [...begun, ...steps, end], decisions: [decision] })),
  ...admitted.map(
    ([name, steps]): Row => ({ name: `all there, ${name}`, rule: defaultRule, steps: [...begun, ...steps, end], decisions: [opens] }),
  ),
  ...combinations(),
  ...heartbeats,
  ...others,
  ...sensor.map(([name, steps, decision]): Row => {
    return { name: `hardware trigger: ${name}`, rule: hardware, steps: [...announced, ...steps, end], decisions: [decision] };
  }),
];

/** Every row, its steps in the order of time; those of one moment as written. */
export const truthTable: readonly Row[] = rows.map((row) => ({ ...row, steps: [...row.steps].sort(([a], [b]) => a - b) }));
