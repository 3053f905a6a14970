// Messages that must change nothing, made at random: for `trigger`, `cmd` and `plc/heartbeat`. Each says what answer it is due:
// a code (ack 0 or ok 0 with it), 'no' (ok 0 with any code) or null (none). None of them is a valid trigger, command or counter.
import { between } from './random.mjs';

const seqMax = 2147483647;
const badPayload = 205;

const pick = (random, list) => list[between(random, 0, list.length - 1)];
const bytes = (random, length) => Buffer.from(Array.from({ length }, () => between(random, 0, 255)));

/** Random bytes; what begins like a number is none of these, as it could be one. */
function noise(random) {
  const some = bytes(random, between(random, 0, 300));
  const first = some.toString('latin1').trimStart()[0] ?? '';
  return /[0-9+]/.test(first) ? Buffer.concat([Buffer.from('#'), some]) : some;
}

const nested = (random) => {
  const depth = between(random, 2, 20_000);
  return random() < 0.5 ? '['.repeat(depth) : `{"seq":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`;
};

/** Longer than any message of a PLC. The longest are rare: they are 10 MB. */
const huge = (random) => {
  const length = random() < 0.02 ? 10_000_000 : between(random, 4097, 100_000);
  return pick(random, [
    () => Buffer.alloc(length, pick(random, ['1', '{', ' ', 'A', '\u0000'])),
    () => bytes(random, 5000),
    () => `{"seq":1,"partId":"${'A'.repeat(length)}"}`,
  ])();
};

const wrongNumbers = [
  'NaN',
  'Infinity',
  '1e999',
  '-1',
  '-0',
  '1.5',
  '1e3',
  '0x10',
  '2147483648',
  '4294967296',
  '9'.repeat(400),
  'true',
  'null',
  '""',
  '"7"',
  '[7]',
  '{}',
  '0',
  '1_000',
  '１２',
  '7 8',
  '--7',
  '+-7',
  '7e',
  '.7',
];
const wrongTexts = [
  'a b',
  'a/b',
  '../../etc/passwd',
  "'; DROP TABLE inspections; --",
  '<script>alert(1)</script>',
  'A'.repeat(33),
  '\\ud800',
  '\\u0041',
  'ä',
  '\ud800',
  '#',
  '+',
  '$SYS',
  '\u202e',
  '%s%n',
  '\u0001',
];
const wrongKeys = ['__proto__', 'constructor', 'prototype', 'toString', 'Seq', 'SEQ', 'seq ', 'part', 'ok', ''];

const objectOf = (members) => `{${members.join(',')}}`;

const triggers = [
  (r) => noise(r),
  (r) => nested(r),
  (r) => huge(r),
  (r) => objectOf([`"seq":${pick(r, wrongNumbers)}`, '"partId":"A1"']),
  (r, next) => objectOf([`"seq":${next}`, `"partId":"${pick(r, wrongTexts)}"`]),
  (r, next) => objectOf([`"seq":${next}`, `"partId":${pick(r, ['7', 'null', 'true', '["A1"]', '{"a":1}', 'NaN'])}`]),
  (r, next) => objectOf([`"seq":${next}`, `"recipeId":${pick(r, [...wrongNumbers.filter((one) => !/^0$|^-0$/.test(one)), '65536'])}`]),
  (r, next) => objectOf([`"seq":${next}`, `"${pick(r, wrongKeys)}":${pick(r, ['1', '{"seq":1}', '"x"'])}`]),
  (_r, next) => objectOf([`"seq":${next}`, `"seq":${next + 1}`]),
  (r, next) =>
    pick(r, [
      `{"seq":${next}`,
      `{"seq":${next},}`,
      `{'seq':${next}}`,
      `{"seq":${next}}x`,
      `{"seq" ${next}}`,
      `[{"seq":${next}}]`,
      `{"seq":${next}}{"seq":${next}}`,
      '{}',
      '{',
      '',
    ]),
  (r, next) =>
    pick(r, [
      `${next};A;1;1`,
      `${next},A`,
      `${next};A B`,
      `${next};A;x`,
      `${next};A;70000`,
      `;${next}`,
      `${next}.0`,
      `x${next}`,
      `-${next}`,
      `99999999999${next}`,
      `\ufeff${next}`,
      `0;A;0`,
      '0',
      ';;',
      `${seqMax + 1}`,
    ]),
].map((make) => (random, { next }) => ({ topic: 'trigger', payload: make(random, next), due: badPayload }));

/** Well formed, and still not to be taken: a number that was used, a recipe that is not in force. */
const refusedTriggers = [
  (random, { last }) => ({
    topic: 'trigger',
    payload: `${between(random, Math.max(1, last - 1000), last)};FORGED${between(random, 0, 1e6)};0`,
    due: 203,
  }),
  (_random, { next }) => ({ topic: 'trigger', payload: `${next};A;999`, due: 204, uses: true }),
];

const commands = [
  ...[noise, nested, huge].map((make) => (random) => ({ payload: make(random), due: null })),
  (r) => ({
    payload: objectOf([
      `"id":${pick(
        r,
        wrongNumbers.filter((one) => one !== '0' && one !== '-0'),
      )}`,
      '"cmd":6',
    ]),
    due: null,
  }),
  (r, { id }) => ({
    payload: objectOf([`"id":${id}`, `"cmd":${pick(r, [...wrongNumbers.filter((one) => one !== '0'), '65536'])}`]),
    due: null,
  }),
  (r, { id }) => ({ payload: objectOf([`"id":${id}`, '"cmd":6', `"${pick(r, wrongKeys)}":1`]), due: null }),
  (r, { id }) => ({
    payload: objectOf([`"id":${id}`, '"cmd":6', `"arg":${pick(r, ['null', 'true', '["3"]', '{"a":3}', '1.5', '-1'])}`]),
    due: null,
  }),
  (_r, { id }) => ({ payload: objectOf([`"id":${id}`, '"cmd":40', '"cmd":6']), due: null }),
  (r, { id }) => ({
    payload: pick(r, [`{"id":${id},"cmd":6`, `{"id":${id},"cmd":6,}`, `{id:${id},cmd:6}`, '6', `${id};6`, `{"cmd":6}`, `{"id":${id}}`, '']),
    due: null,
  }),
  (r, { id }) => ({
    payload: objectOf([`"id":${id}`, `"cmd":${pick(r, [0, 10, 12, 19, 23, 29, 32, 41, 49, 51, 100, 1024, 65535])}`]),
    due: badPayload,
  }),
  // A number of the table with an argument that it does not take.
  (r, { id }) => ({
    payload: objectOf([
      `"id":${id}`,
      `"cmd":${pick(r, [1, 4, 5, 6, 7, 8, 9, 11, 40])}`,
      `"arg":"${pick(r, ['now', '1', '../x', "';--", '<b>'])}"`,
    ]),
    due: badPayload,
  }),
  (r, { id }) => ({
    payload: objectOf([`"id":${id}`, `"cmd":${pick(r, [2, 3])}`, `"arg":"${pick(r, ['', '0', '-1', '65536000', 'plate', '1;2', '1e3'])}"`]),
    due: badPayload,
  }),
  (r, { id }) => ({
    payload: objectOf([
      `"id":${id}`,
      '"cmd":50',
      `"arg":"${pick(r, ['', '1', '5-1', '0-5', '1-20000', '-1-5', 'a-b', '1-2-3', '9'.repeat(30)])}"`,
    ]),
    due: badPayload,
  }),
  // What there is nothing to be done about: no such recipe, no lesson, no check with master parts.
  (r, { id }) => ({ payload: objectOf([`"id":${id}`, `"cmd":${pick(r, [2, 3])}`, `"arg":"${pick(r, [999, 65535, 77])}"`]), due: 'no' }),
  (r, { id }) => ({ payload: objectOf([`"id":${id}`, `"cmd":${pick(r, [21, 22, 31])}`]), due: 'no' }),
  (r, { id }) => ({
    payload: objectOf([`"id":${id}`, '"cmd":20', `"arg":"${pick(r, ['', ':', 'a:b', 'x:1000', '::::', 'UPPER', 'a:1:2:3'])}"`]),
    due: 'no',
  }),
].map((make) => (random, at) => ({ topic: 'cmd', ...make(random, at) }));

const counters = [
  noise,
  nested,
  huge,
  (r) =>
    pick(r, [
      ...wrongNumbers.filter((one) => !/^0$|^\d+ \d|^2147483648$/.test(one)),
      '7;8',
      '{"hb":7}',
      '4294967296',
      `${'1'.repeat(80)}`,
      '7x',
    ]),
].map((make) => (random) => ({ topic: 'plc/heartbeat', payload: make(random), due: null }));

/** One message for `topic`. `at`: {next: a number not used yet, last: the last one used, id: of the command}. */
export function hostile(random, topic, at) {
  if (topic === 'cmd') return pick(random, commands)(random, at);
  if (topic === 'plc/heartbeat') return pick(random, counters)(random);
  return random() < 0.1 ? pick(random, refusedTriggers)(random, at) : pick(random, triggers)(random, at);
}

/** Valid, and retained: a station that connects must take none of them. The halt would show; the pass would open a gate. */
export const retained = [
  ['cmd', '{"id":4711,"cmd":6}'],
  ['trigger', '1900000000;RETAINED;0'],
  ['plc/heartbeat', '17'],
  ['ack', '{"v":1,"seq":1900000000,"ack":1,"code":0}'],
  [
    'result',
    '{"v":1,"seq":1900000000,"ok":1,"resultEvaluation":1,"resultEvaluationCode":0,"resultState":1,"isSimulated":0,"score":1,"limit":620,"recipeId":1,"age":9,"partId":"RETAINED","resultId":"00000000000000"}',
  ],
];
