import { systemClock } from '../../src/clock';
import { Code, Evaluation } from '../../src/codes';
import { MqttLink } from '../../src/plc/link';
import type { TriggerRequest } from '../../src/ports';
import {
  base,
  brokers,
  committed,
  freePort,
  hasMosquitto,
  keptDiagnostics,
  Listener,
  makeLink,
  makePart,
  makeVerdict,
  never,
  noMosquitto,
  operational,
  pause,
  soon,
  stoppableBroker,
  type TestBroker,
  until,
} from './support';

type Trigger = TriggerRequest | { bad: Code; seq: number };
const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});

function made(...args: Parameters<typeof makeLink>): ReturnType<typeof makeLink> {
  const pair = makeLink(...args);
  cleanup.push(() => pair.link.stop(soon()));
  pair.link.progress(() => true);
  return pair;
}
async function listener(url: string): Promise<Listener> {
  const one = await Listener.connect(url, base);
  cleanup.push(() => one.end());
  return one;
}
async function up(link: MqttLink): Promise<void> {
  await until('the link up', () => link.connected());
}
function parsed(texts: string[]): Record<string, unknown>[] {
  return texts.map((text) => JSON.parse(text) as Record<string, unknown>);
}

test('credential files that cannot be read are named; a base topic with a wildcard is refused', async () => {
  const { link } = makeLink('mqtt://127.0.0.1:1', { passwordFile: '/nonexistent/password' });
  await expect(link.start(never)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('plc.passwordFile') });
  expect(() => makeLink('mqtt://127.0.0.1:1', { base: 'a/#' })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  await expect(makeLink('mqtt://127.0.0.1:1').link.start(AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' });
});

test('no broker at start: no error, one line with what to do, nothing released, a quick stop', async () => {
  const { diagnostics, lines } = keptDiagnostics();
  const port = await freePort();
  const { link } = makeLink(`mqtt://127.0.0.1:${port}`, {}, { diagnostics });
  await link.start(never);
  link.state(operational);
  await until('a warning', () => lines.length > 0);
  await pause(1500);
  expect(lines).toHaveLength(1); // several attempts have failed by now
  expect(lines[0]?.msg).toContain(`mqtt://127.0.0.1:${port}`);
  expect(lines[0]?.msg).toContain('Start the broker');
  expect(link.connected()).toBe(false);
  expect(link.result(committed(makeVerdict())).ok).toBe(0);
  link.ack(1, Code.ok);
  expect(link.counters().suppressed).toBe(3); // result, result/csv, ack
  await link.stop(soon());
});

describe.each(brokers)('on the %s broker', (_name, make) => {
  let broker: TestBroker;
  beforeEach(async () => {
    broker = await make();
    await broker.start();
  });
  afterEach(async () => {
    for (const undo of cleanup.splice(0).reverse()) await undo();
    await broker.kill();
  });

  test('2 000 hostile payloads: none accepted, each answerable, the link stands', async () => {
    const { link } = made(broker.url, { triggersPerSecond: 1e6 });
    const got: Trigger[] = [];
    link.onTrigger((request) => got.push(request));
    await link.start(never);
    await up(link);
    const plc = await listener(broker.url);
    const kinds = [
      '',
      '{',
      '{"seq":1,"seq":2}',
      '[[[[',
      '1.5',
      '{"seq":1e999}',
      'NaN',
      '{"seq":5,"x":{}}',
      '\0\0',
      '\ud800',
      '9'.repeat(5000),
      '-1',
    ];
    // In bites: mosquitto drops what exceeds 1000 waiting messages for one subscriber.
    for (let i = 0; i < 2000; i += 200) {
      await Promise.all(Array.from({ length: 200 }, (_, k) => plc.say('trigger', kinds[(i + k) % kinds.length] ?? '')));
      await until('a bite', () => got.length === i + 200);
    }
    await until('all of them', () => got.length === 2000);
    expect(got.every((request) => 'bad' in request && request.bad === Code.badPayload)).toBe(true);
    expect(link.counters()).toMatchObject({ triggers: 0, bad: 2000, oversized: Math.floor(2000 / kinds.length) });
    await plc.say('trigger', '+0007;A;0\r\n\0');
    await until('the good one', () => got.length === 2001);
    expect(got[2000]).toMatchObject({ seq: 7, partId: 'A', recipeId: 0 });
  });

  test('a handler that throws, a flood, a retained trigger: the link goes on', async () => {
    const plc = await listener(broker.url);
    await plc.say('trigger', '99', true); // retained before the rig comes
    const { diagnostics, lines } = keptDiagnostics();
    const { link } = made(broker.url, { triggersPerSecond: 20 }, { diagnostics });
    let handled = 0;
    link.onTrigger(() => {
      handled++;
      throw new Error('the line is broken');
    });
    await link.start(never);
    await up(link);
    await until('the retained one', () => link.counters().retained === 1);
    expect(handled).toBe(0);
    await Promise.all(Array.from({ length: 500 }, (_, i) => plc.say('trigger', String(i + 1))));
    await until('all counted', () => link.counters().triggers + link.counters().flooded === 500);
    expect(link.counters().flooded).toBeGreaterThan(300);
    expect(handled).toBe(link.counters().triggers);
    expect(link.connected()).toBe(true);
    const grumbles = lines.filter(({ msg }) => msg.includes('no triggers'));
    expect(grumbles).toMatchObject([{ level: 40, retained: 1, topic: expect.stringMatching(/trigger$/) }]); // one a minute, not 500
    await plc.say('trigger', '', true);
  });

  test('retained junk on actuation topics and stale alarms is cleared before ready 1; a clean broker sees no empty message', async () => {
    const junk = await listener(broker.url);
    const fresh = makeLink(broker.url);
    fresh.link.state(operational);
    await fresh.link.start(never);
    await up(fresh.link);
    await fresh.link.stop(soon());
    expect(junk.heard.filter((one) => one.text === '')).toEqual([]);
    junk.heard.length = 0;

    for (const topic of ['result', 'result/csv', 'ack', 'acquired', 'heartbeat', 'alarm/301', 'alarm/302'])
      await junk.say(topic, '{"v":1,"seq":5,"ok":1}', true);
    const { diagnostics, lines } = keptDiagnostics();
    const { link } = made(broker.url, {}, { diagnostics });
    link.alarm(Code.cameraTimeout, true);
    link.state(operational);
    await link.start(never);
    await up(link);
    await until('ready', () => parsed(junk.of('heartbeat').filter((text) => text !== '')).some((beat) => beat.ready === 1));
    const order = junk.heard
      .filter((one) => one.text === '' || (one.topic === 'heartbeat' && one.text.includes('"ready":1')))
      .map((one) => one.topic);
    expect(new Set(order.slice(0, 6))).toEqual(new Set(['result', 'result/csv', 'ack', 'acquired', 'heartbeat', 'alarm/301']));
    expect(lines.filter((line) => line.msg.includes('retained'))).toHaveLength(6);
    const late = await listener(broker.url);
    await until('retained topics', () => late.of('state').length > 0 && late.of('alarm/302').length > 0);
    expect(
      late.heard
        .filter((one) => one.retain)
        .map((one) => one.topic)
        .sort(),
    ).toEqual(['about', 'alarm/302', 'online', 'state']);
    expect(late.of('alarm/302')[0]).toContain('cameraTimeout');
    link.alarm(Code.cameraTimeout, false);
    await until('cleared', () => late.of('alarm/302').includes(''));
  });

  test('ack, acquired, result, csv and last, byte by byte; ok falls with age, state and simulation', async () => {
    const { link } = made(broker.url);
    const plc = await listener(broker.url);
    await link.start(never);
    await up(link);
    expect(link.result(committed(makeVerdict())).ok).toBe(0); // no state yet
    link.state(operational);
    const part = makePart({ seq: 184467, partId: 'A0001234', resultId: '01JD3K8W2Q7M4Z' });
    link.ack(184467, Code.ok);
    link.ack(184468, Code.busy);
    link.acquired(184467);
    const { ok, age } = link.result(committed({ ...makeVerdict(), part }));
    expect(ok).toBe(1);
    expect(age).toBeGreaterThanOrEqual(0);
    await until('result', () => plc.of('last').length === 2);
    expect(plc.of('ack')).toEqual(['{"v":1,"seq":184467,"ack":1,"code":0}', '{"v":1,"seq":184468,"ack":0,"code":201}']);
    expect(plc.of('acquired')).toEqual(['{"v":1,"seq":184467}']);
    const told = Math.ceil(age);
    expect(plc.of('result')[1]).toBe(
      `{"v":1,"seq":184467,"ok":1,"resultEvaluation":1,"resultEvaluationCode":0,"resultState":1,"isSimulated":0,"score":314,"limit":620,"recipeId":3,"age":${told},"partId":"A0001234","resultId":"01JD3K8W2Q7M4Z"}`,
    );
    expect(plc.of('result/csv')[1]).toBe(`1;184467;1;1;0;1;0;314;620;3;${told};A0001234`);
    expect(parsed(plc.of('last'))[1]).toMatchObject({ released: 1, verdict: 'PASS' });

    const refused = [
      link.result(committed(makeVerdict({}, { opened: systemClock.now() - 1501 }))),
      link.result(committed(makeVerdict({}, { simulated: true }))),
      link.result(committed(makeVerdict({ released: 0, code: Code.anomaly, evaluation: Evaluation.NotOK }))),
    ];
    const late = makePart();
    link.refuse(late, Code.tooLate);
    refused.push(link.result(committed({ ...makeVerdict(), part: late })));
    link.state({ ...operational, state: 'Halted', sub: '', ready: 0, code: Code.notReady });
    refused.push(link.result(committed(makeVerdict())));
    expect(refused.map((one) => one.ok)).toEqual([0, 0, 0, 0, 0]);
    await until('all', () => plc.of('result').length === 8);
    const results = parsed(plc.of('result')).slice(2);
    expect(results.map((one) => [one.ok, one.resultEvaluationCode])).toEqual([
      [0, 701],
      [0, 605],
      [0, 101],
      [0, 402],
      [0, 402],
      [0, 202],
    ]);
    expect(results[3]).toMatchObject({ resultEvaluation: 0, resultState: 4, score: 65535, limit: 65535 });
    expect(plc.heard.some((one) => one.retain && /^(ack|acquired|result|heartbeat)/.test(one.topic))).toBe(false);
  });

  test('the heartbeat moves only with progress, rolls, and carries lastSeq; state comes again', async () => {
    let progress: boolean | Error = true;
    const { link } = made(
      broker.url,
      { heartbeat: 20 },
      { stats: () => ({ triggers: 1, ok: 1, ng: 0, undecided: 0, errors: 0, timeMin: 1, timeAvg: 1, timeMax: 1 }) },
    );
    link.progress(() => {
      if (progress instanceof Error) throw progress;
      return progress;
    });
    const plc = await listener(broker.url);
    await link.start(never);
    await up(link);
    const beats = () => parsed(plc.of('heartbeat'));
    await until('a beat', () => beats().length > 2);
    expect(beats()[0]).toMatchObject({ v: 1, ready: 0, state: 1, code: 202, lastSeq: 41 });
    link.state(operational);
    await until('moving', () => beats().filter((beat) => beat.ready === 1).length > 5);
    (link as unknown as { hb: number }).hb = 65533;
    await until('rolled', () => beats().some((beat) => beat.hb === 0) && beats().some((beat) => beat.hb === 65535));
    for (const still of [false, new Error('the probe broke')]) {
      progress = still;
      await pause(50);
      const from = beats().length;
      await until('more beats', () => beats().length > from + 5);
      expect(
        new Set(
          beats()
            .slice(from)
            .map((beat) => beat.hb),
        ).size,
      ).toBe(1);
    }
    await until('state and stats again', () => plc.of('state').length > 2 && plc.of('stats').length > 1);
  });

  test('online: 1, 1 again when an old will says 0, 0 on a clean stop, 0 by will when the process dies', async () => {
    const plc = await listener(broker.url);
    const { link } = made(broker.url);
    await link.start(never);
    await up(link);
    await until('online', () => plc.of('online').includes('1'));
    await plc.say('online', '0', true);
    await until('online again', () => plc.of('online').at(-1) === '1' && plc.of('online').includes('0'));
    await link.stop(soon());
    await until('offline', () => plc.of('online').at(-1) === '0');

    const second = made(broker.url).link;
    await second.start(never);
    await up(second);
    await until('online', () => plc.of('online').at(-1) === '1');
    const wire = (second as unknown as { wire: { client: { stream: { destroy(): void } }; open(): void } }).wire;
    const zeros = plc.of('online').filter((text) => text === '0').length;
    wire.client.stream.destroy(); // the connection dies without DISCONNECT, as with a killed process
    await until('the will', () => plc.of('online').filter((text) => text === '0').length > zeros);
    await until('the link back, and 1 again', () => second.connected() && plc.of('online').at(-1) === '1');
  });

  test('the broker dies and comes back: nothing a gate acts on arrives late, the journal loses nothing', async () => {
    const { link, outbox } = made(broker.url);
    const received: number[] = [];
    await link.start(never);
    link.state(operational);
    await up(link);
    let plc = await Listener.connect(broker.url, base);
    outbox.add(20);
    link.drain();
    await until('20 entries', () => plc.of('journal').length === 20);
    expect(parsed(plc.of('journal')).every((entry) => entry.isHistorical === 0)).toBe(true);
    for (let round = 0; round < 3; round++) {
      // In flight at the moment of death, and published while down.
      for (let i = 0; i < 10; i++) link.result(committed(makeVerdict({}, { seq: 1000 + i, partId: 'STALE' })));
      await broker.kill();
      received.push(...parsed(plc.of('journal')).map((entry) => Number(entry.journalSeq)));
      await plc.end();
      await until('the loss noticed', () => !link.connected());
      for (let i = 0; i < 10; i++) {
        expect(link.result(committed(makeVerdict({}, { seq: 2000 + i, partId: 'STALE' }))).ok).toBe(0);
        link.ack(2000 + i, Code.ok);
        link.acquired(2000 + i);
      }
      outbox.add(100);
      link.drain();
      await broker.start();
      plc = await Listener.connect(broker.url, base);
      await up(link);
      await until('the journal drained', () => outbox.entries.length === 0);
      expect(link.result(committed(makeVerdict({}, { partId: 'FRESH' }))).ok).toBe(1);
      await until('the fresh one', () => plc.of('result').length > 0);
      await pause(100);
      const actuation = plc.heard.filter((one) => /^(ack|acquired|result)/.test(one.topic));
      expect(actuation.map((one) => one.topic).sort()).toEqual(['result', 'result/csv']);
      expect(actuation.every((one) => one.text.includes('FRESH'))).toBe(true);
    }
    received.push(...parsed(plc.of('journal')).map((entry) => Number(entry.journalSeq)));
    await plc.end();
    // The listener may connect after the drain began; the outbox is what proves delivery to the broker.
    expect(outbox.deliveredUpTo).toBe(320);
    expect(new Set(received).size).toBeGreaterThanOrEqual(20);
  });

  test('journal with a subscriber all along and links killed midway: every entry, in order, once told as live or history', async () => {
    const mes = await listener(broker.url);
    const { link, outbox } = makeLink(broker.url);
    outbox.add(500);
    await link.start(never);
    await until('some', () => mes.of('journal').length >= 40);
    await link.stop(systemClock.now()); // no time to wait for anything
    const second = new MqttLink(
      { url: broker.url, station: 't1', base, ttl: 1500, heartbeat: 100, acceptSimulated: false, triggerMode: 'software', maxOpen: 4 },
      { clock: systemClock, diagnostics: keptDiagnostics().diagnostics, outbox, lastSeq: () => 0 },
    );
    cleanup.push(() => second.stop(soon()));
    await second.start(never);
    await until('all', () => outbox.entries.length === 0);
    await until('heard', () => new Set(mes.of('journal')).size === 500);
    const seqs = parsed(mes.of('journal')).map((entry) => Number(entry.journalSeq));
    expect([...new Set(seqs)]).toEqual(Array.from({ length: 500 }, (_, i) => i + 1)); // first appearances in order
    expect(seqs.length - 500).toBeLessThanOrEqual(32);
  });

  test('the PLC heartbeat: optional, silent only once it was seen and then stood still', async () => {
    const { link } = made(broker.url);
    const plc = await listener(broker.url);
    await link.start(never);
    await up(link);
    expect(link.plcSilent()).toBe(false);
    await plc.say('plc/heartbeat', 'x');
    await plc.say('plc/heartbeat', '5');
    const inner = link as unknown as { plcBeat: { counter: number; changed: number } | null };
    await until('seen', () => inner.plcBeat?.counter === 5);
    expect(link.plcSilent()).toBe(false);
    if (inner.plcBeat !== null) inner.plcBeat.changed -= 3001;
    expect(link.plcSilent()).toBe(true);
    await plc.say('plc/heartbeat', '5'); // arrives, but does not move
    await plc.say('plc/heartbeat', '6');
    await until('moved', () => inner.plcBeat?.counter === 6);
    expect(link.plcSilent()).toBe(false);
  });

  test('two stations on one broker, stopped in any order, leave no open handle and no doubt', async () => {
    const one = makeLink(broker.url, { base: 'verdictd/a', station: 'a' }).link;
    const two = makeLink(broker.url, { base: 'verdictd/b', station: 'b' }).link;
    await Promise.all([one.start(never), two.start(never)]);
    await Promise.all([up(one), up(two)]);
    await one.stop(soon());
    expect(two.connected()).toBe(true);
    await two.stop(soon());
    const early = makeLink(broker.url).link;
    await early.start(never);
    await early.stop(soon()); // in the middle of connecting
    await early.stop(soon());
  });
});

(hasMosquitto ? test : test.skip)(
  `a hung broker (SIGSTOP) is given up within the TTL, not within the keepalive; what it was given is never given again${hasMosquitto ? '' : ` (${noMosquitto})`}`,
  async () => {
    const broker = await stoppableBroker();
    await broker.start();
    cleanup.push(() => broker.kill());
    const { link, outbox } = made(broker.url, { ttl: 1000 });
    link.state(operational);
    await link.start(never);
    await up(link);
    broker.signal('SIGSTOP');
    link.result(committed(makeVerdict({}, { partId: 'STALE' })));
    outbox.add(3);
    link.drain();
    await until('given up', () => !link.connected(), 6_000);
    await broker.kill();
    await broker.start();
    const plc = await listener(broker.url);
    await up(link);
    await until('the journal', () => outbox.entries.length === 0);
    expect(link.result(committed(makeVerdict({}, { partId: 'FRESH' }))).ok).toBe(1);
    await until('the fresh one', () => plc.of('result/csv').length > 0);
    expect(plc.heard.filter((one) => one.topic !== 'last' && one.text.includes('STALE'))).toEqual([]);
    expect(parsed(plc.of('journal')).map((entry) => [entry.journalSeq, entry.isHistorical])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ]);
    broker.signal('SIGSTOP');
    const began = systemClock.now();
    await link.stop(began + 300); // a clean stop does not wait for a hung broker
  },
);
