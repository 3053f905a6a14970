/** Commands over a real broker, and a second rig under one name. */
import { Code } from '../../src/codes';
import { CommandRefused, Commands } from '../../src/line/commands';
import { CommandDoor } from '../../src/plc/command_door';
import type { MqttLink } from '../../src/plc/link';
import { FakeClock, settle } from '../fakes/clock';
import { base, brokers, keptDiagnostics, Listener, makeLink, never, operational, pause, soon, type TestBroker, until } from './support';

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

test('a command that takes longer than a minute is done once, however often it is repeated meanwhile; it is known for a minute after', async () => {
  const clock = new FakeClock();
  const said: string[] = [];
  let runs = 0;
  let end: () => void = () => undefined;
  const run = async () => {
    runs++;
    await new Promise<void>((resolve) => (end = resolve));
    return { ok: 1 as const, code: Code.ok };
  };
  const door = new CommandDoor(run, clock, (payload) => said.push(payload));
  const say = () => door.receive(Buffer.from('{"id":7,"cmd":21}'), false);
  say();
  await clock.advance(61_000);
  say();
  await clock.advance(61_000);
  expect(runs).toBe(1);
  end();
  await clock.advance(59_000);
  say();
  await settle();
  expect([runs, said.length]).toEqual([1, 3]);
  await clock.advance(2_000);
  say();
  await settle();
  expect(runs).toBe(2);
});

test('what the broker does not let the station read is said, and no state calls it ready where the heartbeat does not', async () => {
  for (const [refused, says] of [
    ['cmd', 'its commands'],
    ['trigger', 'its trigger topic'],
  ] as const) {
    const { diagnostics, lines } = keptDiagnostics();
    const { link } = makeLink(broker.url, {}, { diagnostics, command: () => Promise.resolve({ ok: 1 as const, code: Code.ok }) });
    links.push(link);
    link.state(operational);
    await link.start(never);
    const { wire } = link as unknown as { wire: { subscribe(topics: readonly string[], qos: 0 | 1): Promise<boolean> } };
    const subscribe = wire.subscribe.bind(wire);
    wire.subscribe = async (topics, qos) => (await subscribe(topics, qos)) && !topics.includes(`${base}/${refused}`);
    plc.heard.length = 0;
    await until('connected', () => link.connected());
    await until('a state and a heartbeat', () => plc.of('state').length > 0 && plc.of('heartbeat').length > 0);
    expect(lines.filter(({ level }) => level >= 50).map(({ msg }) => msg)).toEqual([expect.stringContaining(says)]);
    const ready = (topic: string) => (JSON.parse(plc.of(topic).at(-1) ?? '{}') as { ready: number; code: number }).ready;
    expect([ready('state'), ready('heartbeat')]).toEqual(refused === 'cmd' ? [1, 1] : [0, 0]);
    await link.stop(soon());
  }
});

test('a replay under way when the station stops is refused, not left open', async () => {
  const entries = [{ journalSeq: 1, type: 'verdict' as const, payload: '{"journalSeq":1,"verdict":"FAIL"}' }];
  const link = await up({}, { entries: (after) => Promise.resolve(entries.slice(after)) });
  const { wire } = link as unknown as { wire: { send(): boolean } };
  wire.send = () => true; // a broker that confirms nothing
  let told = '';
  const asked = link.replay(1, 1).catch((thrown: unknown) => (told = String(thrown)));
  await pause(10);
  await link.stop(soon());
  await Promise.race([asked, pause(50)]);
  expect(told).toContain('ask again');
});
