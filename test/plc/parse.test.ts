import { randomBytes } from 'node:crypto';
import { parseCommand, parsePlcHeartbeat, parseTrigger } from '../../src/plc/parse';

const parse = (text: string) => parseTrigger(Buffer.from(text, 'utf8'));
const bad = (seq: number) => ({ bad: 205, seq });

test.each([
  ['', 0],
  ['\0', 0],
  ['   \r\n', 0],
  ['abc', 0],
  ['0', 0],
  ['-5', 0],
  ['2147483648', 0],
  ['99999999999999999999', 0],
  ['1.5', 0],
  ['1e3', 0],
  ['0x10', 0],
  ['NaN', 0],
  ['Infinity', 0],
  ['++5', 0],
  ['5 6', 0],
  ['null', 0],
  ['[5]', 0],
  ['"5"', 0],
  ['\ufeff5', 0],
  ['٥', 0], // a digit, but not an ASCII one
  ['5;Ä', 5],
  ['5;a b', 5],
  [`5;${'x'.repeat(33)}`, 5],
  ['5;A;70000', 5],
  ['5;A;-1', 5],
  ['5;A;3;', 5],
  ['5;A;3;4', 5],
  [';A;3', 0],
  ['{', 0],
  ['{}', 0],
  ['{"seq":5', 0], // cut: 5 may be the beginning of 57
  ['{"seq":5,', 5],
  ['{"seq":5,}', 5],
  ['{"seq":5}}', 5],
  ['{"seq":5}x', 5],
  ['{"seq":5,"seq":6}', 0],
  ['{"seq":5,"seq":5}', 0],
  ['{"seq":5,"partId":"A","partId":"B"}', 5],
  ['{"seq":5,"x":{"seq":6}}', 0],
  ['{"seq":5,"partId":["A"]}', 5],
  ['{"seq":5.0}', 0],
  ['{"seq":5e0}', 0],
  ['{"seq":"5"}', 0],
  ['{"seq":true}', 0],
  ['{"seq":null}', 0],
  ['{"seq":NaN}', 0],
  ['{"seq":5,"partId":7}', 5],
  ['{"seq":5,"partId":null}', 5],
  ['{"seq":5,"partId":"A\\u0041"}', 5],
  ['{"seq":5,"partId":"<b>"}', 5],
  ['{"seq":5,"recipeId":"3"}', 5],
  ['{"seq":5,"recipeId":3.5}', 5],
  ['{"seq":5,"recipeId":65536}', 5],
  ['{"seq":5,"partid":"A"}', 5],
  ['{"seq":5,"__proto__":1}', 5],
  ['{"__proto__":{"seq":5}}', 0],
  ['{"constructor":"x","seq":5}', 5],
  ["{'seq':5}", 0],
])('%j is refused, seq %i', (text, seq) => {
  expect(parse(text)).toEqual(bad(seq));
});

test('a payload above 4 KB is refused unread', () => {
  expect(parse(`5${' '.repeat(4096)}`)).toEqual(bad(0));
  expect(parse(`5${' '.repeat(4095)}`)).toEqual({ seq: 5, partId: '', recipeId: 0 });
});

test.each([
  ['184467', 184467, '', 0],
  ['  +000184467 \r\n', 184467, '', 0],
  ['2147483647', 2147483647, '', 0],
  ['184467\0garbage{', 184467, '', 0],
  ['184467;A0001234;3', 184467, 'A0001234', 3],
  ['184467;A0001234', 184467, 'A0001234', 0],
  ['184467; A0001234 ; +03\0\0', 184467, 'A0001234', 3],
  ['184467;;', 184467, '', 0],
  [`1;${'x'.repeat(32)};65535`, 1, 'x'.repeat(32), 65535],
  ['{"seq":184467,"partId":"A0001234","recipeId":3}', 184467, 'A0001234', 3],
  ['{"recipeId":3,"seq":184467}', 184467, '', 3],
  ['\t{ "seq" : +00184467 , "partId" : "A:1_b.c-D   " }\r\n\0xx', 184467, 'A:1_b.c-D', 0],
  ['{"seq":1}', 1, '', 0],
])('%j is read', (text, seq, partId, recipeId) => {
  expect(parse(text)).toEqual({ seq, partId, recipeId });
});

test('20 000 hostile payloads: never throws, never a number outside the range', () => {
  const seeds = [
    '{"seq":184467,"partId":"A0001234","recipeId":3}',
    '184467;A0001234;3',
    '184467',
    '{"seq":1,"seq":2}',
    '[[[[[[',
    '{"a":{"a":',
  ];
  const began = process.hrtime.bigint();
  for (let i = 0; i < 20_000; i++) {
    let payload: Buffer;
    if (i % 4 === 0) payload = randomBytes(i % 512);
    else if (i % 4 === 1) payload = Buffer.from((seeds[i % seeds.length] ?? '').repeat(i % 40));
    else {
      payload = Buffer.from(seeds[i % seeds.length] ?? '');
      for (let flips = i % 7; flips >= 0 && payload.length > 0; flips--) {
        payload.writeUInt8(randomBytes(1).readUInt8(0), randomBytes(2).readUInt16LE(0) % payload.length);
      }
    }
    const parsed = parseTrigger(payload);
    expect(Number.isInteger(parsed.seq) && parsed.seq >= 0 && parsed.seq <= 2147483647).toBe(true);
    if (!('bad' in parsed)) {
      expect(parsed.seq).toBeGreaterThan(0);
      expect(parsed.partId).toMatch(/^[A-Za-z0-9_.:-]{0,32}$/);
    }
    parsePlcHeartbeat(payload);
  }
  const ms = Number(process.hrtime.bigint() - began) / 1e6;
  process.stderr.write(`parse: ${(ms / 20).toFixed(1)} us a hostile payload, expectations included\n`);
});

test('a payload made to make the reader crawl stays linear', () => {
  const long = (unit: string) => Buffer.from(`{${unit.repeat(5000)}`.slice(0, 4096));
  for (const unit of ['"":0,', ' ', '"', '" ":', '\t"a" \t', '"seq":']) expect(parseTrigger(long(unit))).toHaveProperty('bad');
});

test('the PLC heartbeat is a counter or nothing', () => {
  const beat = (text: string) => parsePlcHeartbeat(Buffer.from(text));
  for (const text of ['', 'x', '-1', '1.5', '4294967296', '1;2', '{"hb":1}', '1'.repeat(65)]) expect(beat(text)).toBeNull();
  expect([beat('0'), beat(' +0017\r\n\0'), beat('4294967295')]).toEqual([0, 17, 4294967295]);
});

test('4 KB of blanks, wherever they stand, cost no more than 4 KB of anything else', () => {
  const blanks = ' '.repeat(4000);
  const spent = (text: string): number => {
    const payload = Buffer.from(text);
    const began = process.cpuUsage();
    for (let i = 0; i < 20; i++) {
      parseTrigger(payload);
      parseCommand(payload);
    }
    const { user, system } = process.cpuUsage(began);
    return user + system;
  };
  const plain = `{"seq":5,"partId":"${'x'.repeat(4000)}"}`;
  spent(plain);
  // A ratio, with room: what is quadratic here is a thousand times slower.
  const most = 50 * Math.max(spent(plain), spent(plain), 100);
  const hostile = [
    `x${blanks}x`,
    `5;A${blanks}x`,
    `5;A;${blanks}x`,
    `5;A;3${blanks}x`,
    `{"seq":5,"partId":"A${blanks}x"}`,
    `{"seq":5${blanks}x}`,
    `{"id":5,"cmd":2,"arg":"A${blanks}x"}`,
    `${'0'.repeat(2000)}${' '.repeat(2000)}x`,
  ];
  for (const text of hostile) expect([text.slice(0, 30), spent(text) < most]).toEqual([text.slice(0, 30), true]);
});

test('a partId or an argument beyond 256 characters is refused, blanks included', () => {
  expect(parse(`5;A${' '.repeat(250)};3`)).toEqual({ seq: 5, partId: 'A', recipeId: 3 });
  expect(parse(`5;A${' '.repeat(256)};3`)).toEqual(bad(5));
  expect(parse(`{"seq":5,"partId":"A${' '.repeat(256)}"}`)).toEqual(bad(5));
  expect(parseCommand(Buffer.from(`{"id":1,"cmd":2,"arg":"3${' '.repeat(255)}"}`))).toEqual({ id: 1, cmd: 2, arg: '3' });
  expect(parseCommand(Buffer.from(`{"id":1,"cmd":2,"arg":"3${' '.repeat(256)}"}`))).toBeNull();
});
