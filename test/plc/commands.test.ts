/** Commands over a real broker, and a second rig under one name. */
import { Code } from '../../src/codes';
import { CommandRefused, Commands } from '../../src/line/commands';
import type { MqttLink } from '../../src/plc/link';
import { base, brokers, Listener, makeLink, never, operational, soon, type TestBroker, until } from './support';

const [[, make] = ['', () => Promise.reject(new Error('no broker'))]] = brokers;
let broker: TestBroker;
let plc: Listener;
let links: MqttLink[] = [];
beforeAll(async () => {
  broker = await make();
  await broker.start();
});
afterAll(() => broker.kill());
beforeEach(async () => {
  links = [];
  plc = await Listener.connect(broker.url, base);
});
afterEach(async () => {
  for (const link of links) await link.stop(soon());
  await plc.end();
});

async function up(...args: Parameters<typeof makeLink> extends [string, ...infer Rest] ? Rest : never): Promise<MqttLink> {
  const { link } = makeLink(broker.url, ...args);
  links.push(link);
  link.state(operational);
  await link.start(never);
  await until('connected', () => link.connected());
  return link;
}

test('unreadable, retained and unknown commands change nothing; a good one is done once and answered each time', async () => {
  const commands = new Commands();
  let halts = 0;
  commands.handle({
    halt: () => {
      halts++;
    },
    reset: () => {
      throw new CommandRefused(Code.mismatch, 'no');
    },
  });
  const link = await up({}, { command: (cmd, arg) => commands.runNumber(cmd, arg) });
  await plc.say('cmd', '{"id":1,"cmd":6}', true);
  for (const bad of ['', '{}', '6', '{"id":1}', '{"id":-1,"cmd":6}', '{"id":1,"cmd":6,"x":1}', '{"id":1,"cmd":6'])
    await plc.say('cmd', bad);
  await until('the first command', () => halts === 1); // stored while we were connected it is live to us; the next connection must ignore it
  await plc.say('cmd', '', true);
  await new Promise((resolve) => setTimeout(resolve, 1_100)); // the next second's allowance
  for (const text of [
    '{"id":7,"cmd":6,"arg":""}',
    '{"id":7,"cmd":6}\r\n',
    '{"id":8,"cmd":99}',
    '{"id":9,"cmd":6,"arg":"3"}',
    '{"id":+10,"cmd":007}',
    '{"id":11,"cmd":2,"arg":"3"}',
  ]) {
    await plc.say('cmd', text);
  }
  await until('answers', () => plc.of('cmd/rsp').filter((text) => text !== '').length >= 7);
  // Each is answered when it is done: two that came in one packet may change places.
  const id = (text: string) => (JSON.parse(text) as { id: number }).id;
  expect(
    plc
      .of('cmd/rsp')
      .filter((text) => text !== '')
      .slice(1)
      .sort((a, b) => id(a) - id(b)),
  ).toEqual([
    '{"v":1,"id":7,"cmd":6,"ok":1,"code":0}',
    '{"v":1,"id":7,"cmd":6,"ok":1,"code":0}',
    '{"v":1,"id":8,"cmd":99,"ok":0,"code":205}',
    '{"v":1,"id":9,"cmd":6,"ok":0,"code":205}',
    '{"v":1,"id":10,"cmd":7,"ok":0,"code":206}',
    '{"v":1,"id":11,"cmd":2,"ok":0,"code":202}',
  ]);
  expect(halts).toBe(2);
  expect(link.counters()).toMatchObject({ badCommands: 8, repeated: 1 });
});

test('a stored command is ignored at connect', async () => {
  await plc.say('cmd', '{"id":1,"cmd":6}', true);
  let runs = 0;
  const link = await up({}, { command: () => Promise.resolve({ ok: 1 as const, code: Code.ok }).finally(() => runs++) });
  await until('seen', () => link.counters().retainedCommands === 1);
  expect(runs).toBe(0);
  await plc.say('cmd', '', true);
});

test('a live foreign bootId, or a second rig with the same one: no trigger is answered until it is gone', async () => {
  const quick = { heartbeat: 20 };
  const first = await up(quick);
  let asked = 0;
  first.onTrigger(() => asked++);
  await plc.say('trigger', '1');
  await until('asked', () => asked === 1);
  expect(first.foreignRig()).toBe(false);
  const second = await up(quick);
  await until('both see it', () => first.foreignRig() && second.foreignRig());
  await plc.say('trigger', '2');
  await until('ignored', () => first.counters().foreignTriggers === 1);
  expect(asked).toBe(1);
  await second.stop(soon());
  await until('gone', () => !first.foreignRig());
  await plc.say('trigger', '3');
  await until('asked again', () => asked === 2);
});

test('replay: the stretch asked for, in order, as history', async () => {
  const entries = Array.from({ length: 100 }, (_, n) => ({
    journalSeq: n + 1,
    type: 'verdict' as const,
    payload: `{"journalSeq":${n + 1},"verdict":"FAIL"}`,
  }));
  const link = await up({}, { entries: (after, n) => Promise.resolve(entries.slice(after, after + n)) });
  expect(await link.replay(11, 80)).toBe(70);
  await until('heard', () => plc.of('journal').length === 70);
  const heard = plc.of('journal').map((text) => JSON.parse(text) as { journalSeq: number; isHistorical: number });
  expect(heard.map(({ journalSeq }) => journalSeq)).toEqual(entries.slice(10, 80).map(({ journalSeq }) => journalSeq));
  expect(heard.every(({ isHistorical }) => isHistorical === 1)).toBe(true);
});
