import { Acceptance, type Rejection, rejections } from '../../src/plc/acceptance';
import { readMessage } from '../../src/plc/plc_reading';
import { good, truthTable } from './truth_table';

test.each(truthTable.map((row) => [row.name, row] as const))('%s', (_name, { rule, steps, decisions }) => {
  const acceptance = new Acceptance(rule);
  expect(steps.flatMap(([at, input]) => acceptance.input(input, at))).toEqual(decisions);
  expect(acceptance.open).toBe(0);
});

test('the table opens the gate and keeps it shut for every reason there is', () => {
  const met = new Set(truthTable.flatMap(({ decisions }) => decisions.map((one) => (one.gate === 'reject' ? one.reason : one.gate))));
  expect([...rejections, 'open', 'revoked'].filter((one) => !met.has(one as Rejection))).toEqual([]);
});

test('payloads that are no message read as -1, never as a yes', () => {
  for (const text of ['', 'null', '[]', '5', '{', '{"seq":"7","ok":true,"v":1.5}', '{"ok":"1"}', 'x;y;z']) {
    for (const topic of ['result', 'result/csv', 'ack'] as const) {
      const input = readMessage(topic, text);
      if (input?.kind === 'result') expect(input).toMatchObject({ seq: -1, ok: -1 });
      if (input?.kind === 'ack') expect(input).toMatchObject({ ack: -1 });
    }
  }
  expect(readMessage('result/csv', '1;7;1;1;0;1;0;314;620;3;90;A')).toEqual(good);
});
