import { systemClock } from '../../src/clock';
import { Journal, withHistory } from '../../src/plc/journal';
import { ListOutbox, pause, quiet, soon, until } from './support';

interface Sent {
  journalSeq: number;
  historical: number;
  ack: () => void;
}

function setup(outbox = new ListOutbox()) {
  const wire: Sent[] = [];
  const broker = { connected: true, autoAck: true };
  let now = 0;
  const clock = { ...systemClock, now: () => now };
  const send = (payload: string, acked: () => void): boolean => {
    if (!broker.connected) return false;
    const { journalSeq, isHistorical } = JSON.parse(payload) as { journalSeq: number; isHistorical: number };
    wire.push({ journalSeq, historical: isHistorical, ack: acked });
    if (broker.autoAck) setImmediate(acked);
    return true;
  };
  const journal = new Journal(outbox, send, clock, quiet);
  return {
    outbox,
    wire,
    broker,
    journal,
    passTime: (ms: number) => {
      now += ms;
    },
    seqs: () => wire.map((one) => one.journalSeq),
  };
}
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

test('an outbox that fails to read or to trim loses nothing and is tried again', async () => {
  const outbox = new ListOutbox();
  outbox.add(3);
  let failures = 2;
  const flaky = {
    backlog: async (after: number, n: number) => {
      if (failures-- > 0) throw new Error('disk I/O error');
      return outbox.backlog(after, n);
    },
    delivered: async (seq: number) => outbox.delivered(seq),
  };
  const wire: string[] = [];
  const journal = new Journal(flaky, (payload, acked) => wire.push(payload) > 0 && setImmediate(acked) !== null, systemClock, quiet);
  journal.resume();
  await until('three entries', () => outbox.entries.length === 0);
  expect(wire).toHaveLength(3);
  await journal.stop(soon());
});

test('no more than 32 unconfirmed; out-of-order confirmations count only up to the first gap', async () => {
  const { outbox, wire, broker, journal, seqs } = setup();
  broker.autoAck = false;
  outbox.add(100);
  journal.resume();
  await until('the window', () => wire.length === 32);
  await pause(30);
  expect(seqs()).toEqual(upTo(32));
  for (const one of wire.slice(1, 20)) one.ack();
  await pause(30);
  expect(outbox.deliveredUpTo).toBe(0);
  wire[0]?.ack();
  await until('delivered', () => outbox.deliveredUpTo === 20);
  broker.autoAck = true;
  for (const one of wire.slice(20)) one.ack();
  await until('all', () => outbox.entries.length === 0);
  expect(seqs()).toEqual(upTo(100));
  await journal.stop(soon());
});

test('what was unconfirmed at a break comes again, in order, as history; a late confirmation of the old connection counts for nothing', async () => {
  const { outbox, wire, broker, journal, seqs } = setup();
  broker.autoAck = false;
  journal.resume();
  await pause(10);
  outbox.add(5);
  journal.poke();
  await until('five', () => wire.length === 5);
  expect(wire.map((one) => one.historical)).toEqual([0, 0, 0, 0, 0]);
  wire[0]?.ack();
  wire[1]?.ack();
  const old = wire.slice(2);
  journal.pause();
  for (const one of old) one.ack();
  journal.poke(); // something new is announced: it does not make the old ones live
  broker.autoAck = true;
  journal.resume();
  await until('all', () => outbox.entries.length === 0);
  expect(seqs()).toEqual([1, 2, 3, 4, 5, 3, 4, 5]);
  expect(wire.slice(5).map((one) => one.historical)).toEqual([1, 1, 1]);
  await journal.stop(soon());
});

test('live and history: found at start, waited long, or fresh', async () => {
  const { outbox, wire, journal, passTime } = setup();
  outbox.add(2);
  journal.resume();
  await until('two', () => outbox.entries.length === 0);
  outbox.add(1);
  journal.poke();
  await until('three', () => outbox.entries.length === 0);
  journal.pause();
  outbox.add(1);
  journal.poke();
  passTime(10_001);
  journal.resume();
  await until('four', () => outbox.entries.length === 0);
  passTime(3_600_000); // a quiet hour makes nothing old
  outbox.add(1);
  journal.poke();
  await until('five', () => outbox.entries.length === 0);
  expect(wire.map((one) => one.historical)).toEqual([1, 1, 0, 1, 0]);
  await journal.stop(soon());
});

test('what an earlier run left is history, also where parts of this one come before it was sent', async () => {
  const outbox = new ListOutbox();
  const row = (bootId: string) => `{"journalSeq":1,"type":"event","bootId":"${bootId}","detail":"\\"bootId\\":\\"now\\""}`;
  outbox.add(3);
  for (const [i, entry] of outbox.entries.entries()) entry.payload = row(i < 2 ? 'before' : 'now');
  const wire: string[] = [];
  const send = (payload: string, acked: () => void) => wire.push(payload) > 0 && setImmediate(acked) !== null;
  const journal = new Journal(outbox, send, systemClock, quiet, () => 'now');
  journal.poke(); // a part of this run
  journal.resume();
  await until('all', () => wire.length === 3);
  expect(wire.map((payload) => (JSON.parse(payload) as { isHistorical: number }).isHistorical)).toEqual([1, 1, 0]);
  await journal.stop(soon());
});

test('a new process begins with what was not delivered', async () => {
  const outbox = new ListOutbox();
  outbox.add(60);
  const first = setup(outbox);
  first.broker.autoAck = false;
  first.journal.resume();
  await until('window', () => first.wire.length === 32);
  for (const one of first.wire.slice(0, 10)) one.ack();
  await until('ten', () => outbox.deliveredUpTo === 10);
  first.journal.pause(); // killed
  const second = setup(outbox);
  second.journal.resume();
  await until('all', () => outbox.entries.length === 0);
  expect(second.seqs()).toEqual(upTo(60).slice(10));
  await second.journal.stop(soon());
});

test('10 000 entries through 40 breaks: nothing lost, in order within a connection, repetitions within a window a break', async () => {
  const { outbox, wire, broker, journal } = setup();
  journal.resume();
  let breaks = 0;
  for (let i = 0; i < 10_000; i += 25) {
    outbox.add(25);
    journal.poke();
    await pause(0);
    if (i % 250 === 0) {
      journal.pause();
      broker.connected = false;
      breaks++;
      await pause(1);
      broker.connected = true;
      journal.resume();
    }
  }
  await until('all delivered', () => outbox.entries.length === 0);
  expect(new Set(wire.map((one) => one.journalSeq)).size).toBe(10_000);
  expect(wire.length - 10_000).toBeLessThanOrEqual(breaks * 32);
  await journal.stop(soon());
});

test('isHistorical stands before the closing verdict word, or last', () => {
  expect(withHistory('{"a":1,"verdict":"PASS"}', true)).toBe('{"a":1,"isHistorical":1,"verdict":"PASS"}');
  expect(withHistory('{"a":"b,\\"verdict\\":\\"PASS\\"}"}', false)).toBe('{"a":"b,\\"verdict\\":\\"PASS\\"}","isHistorical":0}');
  expect(withHistory('{}', false)).toBe('{"isHistorical":0}');
  expect(withHistory('not json', true)).toBe('not json');
});
