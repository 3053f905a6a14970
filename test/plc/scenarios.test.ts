/** Whatever goes wrong between the real link and a simulated PLC, over a real broker: no part gets through that should not. */
import { systemClock } from '../../src/clock';
import { Code } from '../../src/codes';
import { uniform } from '../../src/evaluate/random';
import { Referee } from '../../src/plc/referee';
import { plcsOf, type ScenarioName, scenarios } from '../../src/plc/scenarios';
import { SimulatedPlc, type SimulatorCounts, type SimulatorOptions } from '../../src/plc/simulator';
import { encodeAck, encodeResult, type ResultFields } from '../../src/plc/topics';
import { isAhead } from '../../src/seq';
import { brokers, committed, makeLink, makeVerdict, never, operational, soon, type TestBroker, until } from './support';

const good: ResultFields = {
  seq: 7,
  ok: 1,
  resultEvaluation: 1,
  resultEvaluationCode: 0,
  resultState: 1,
  isSimulated: 0,
  score: 0.3,
  limit: 0.6,
  recipeId: 3,
  age: 90,
  partId: 'P1',
  resultId: 'R1',
};
const no: ResultFields = { ...good, ok: 0, resultEvaluation: 2, resultEvaluationCode: 101 };

/** A referee who saw part 1, seq 7, triggered at 1000, and then `story`; what he says of its acceptance at `at`. */
function told(story: (referee: Referee) => void, at = 2000): string | null {
  const referee = new Referee({ tResult: 1500 });
  referee.standing(1);
  referee.triggered(7, 1, 'P1', 1000);
  story(referee);
  return referee.accepted(7, at);
}
const acquired = '{"v":1,"seq":7}';

test.each<[string, (referee: Referee) => void, string, number]>([
  ['nothing was heard', () => undefined, 'without a clean ok 1', 2000],
  ['ok 0', (r) => r.heard('result', encodeResult(no)), 'without a clean ok 1', 2000],
  [
    'ok 1 after ok 0',
    (r) => {
      r.heard('acquired', acquired);
      r.heard('result', encodeResult(no));
      r.heard('result', encodeResult(good));
    },
    'without a clean ok 1',
    2000,
  ],
  [
    'ok 1 after ack 0',
    (r) => {
      r.heard('ack', encodeAck(7, Code.busy));
      r.heard('acquired', acquired);
      r.heard('result', encodeResult(good));
    },
    'without a clean ok 1',
    2000,
  ],
  ['ok 1 of an older life of that number', (r) => r.heard('result', encodeResult({ ...good, partId: 'X9' })), 'by the verdict of X9', 2000],
  ['no picture', (r) => r.heard('result', encodeResult(good)), 'while part ? stood', 2000],
  [
    'a picture of the next part',
    (r) => {
      r.standing(2);
      r.heard('acquired', acquired);
      r.heard('result', encodeResult(good));
    },
    'while part 2 stood',
    2000,
  ],
  [
    'too late',
    (r) => {
      r.heard('acquired', acquired);
      r.heard('result', encodeResult(good));
    },
    '11 ms after T_result',
    2511,
  ],
])('the referee sees it: %s', (_name, story, says, at) => {
  expect(told(story, at)).toContain(says);
});

test('the referee lets an honest acceptance pass, once', () => {
  const referee = new Referee({ tResult: 1500 });
  expect(referee.accepted(7, 1000)).toContain('without a trigger');
  referee.standing(1);
  referee.triggered(7, 1, 'P1', 1000);
  referee.heard('acquired', acquired);
  referee.heard('result', encodeResult(good));
  referee.heard('result', encodeResult(no)); // a revocation comes after the yes
  expect(referee.accepted(7, 2500)).toBeNull();
  expect(referee.accepted(7, 2500)).toContain('twice');
});

test('the referee sees one verdict let two parts through', () => {
  const claims = new Map<string, string>();
  const [one, two] = [1, 2].map((part) => {
    const referee = new Referee({ tResult: 1500 }, claims);
    referee.standing(part);
    referee.triggered(7, part, '', 1000); // a plain trigger names no part
    referee.heard('acquired', acquired);
    referee.heard('result', encodeResult({ ...good, partId: '' }));
    return referee.accepted(7, 1200);
  });
  expect([one, two]).toEqual([null, 'part 2 (seq 7) was accepted by the verdict that let part 1 (seq 7) through']);
});

test('what the referees remember of accepted parts is bounded, the newest of it', () => {
  const claims = new Map<string, string>();
  const referee = new Referee({ tResult: 1500 }, claims);
  for (let seq = 1; seq <= 1000; seq++) {
    referee.standing(seq);
    referee.triggered(seq, seq, '', 1000);
    referee.heard('acquired', JSON.stringify({ v: 1, seq }));
    referee.heard('result', encodeResult({ ...good, seq, partId: '', resultId: `R${seq}` }));
    expect(referee.accepted(seq, 1200)).toBeNull();
  }
  expect(claims.size).toBeLessThanOrEqual(256);
  expect([claims.has('R1'), claims.has('R1000')]).toEqual([false, true]);
});

let broker: TestBroker;
const cleanup: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  const [first] = brokers;
  if (first === undefined) throw new Error('no broker');
  broker = await first[1]();
  await broker.start();
});
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});
afterAll(() => broker.kill());

/** A station on the real link that finds every part good: admits numbers as the contract says; `names` tampers with the partId. */
async function station(base: string, names: (partId: string) => string = (partId) => partId): Promise<void> {
  let last = 100;
  let lastPart = '';
  const { link } = makeLink(broker.url, { base, heartbeat: 50 }, { lastSeq: () => last });
  cleanup.push(() => link.stop(soon()));
  link.progress(() => true);
  link.onTrigger((request) => {
    if ('bad' in request) return link.ack(request.seq, request.bad);
    const again = request.seq === last && request.partId === lastPart;
    if (!again && !isAhead(request.seq, last)) return link.ack(request.seq, Code.usedSeq);
    last = request.seq;
    lastPart = request.partId;
    link.ack(request.seq, Code.ok);
    if (again) return;
    setTimeout(() => link.acquired(request.seq), 5);
    const part = { seq: request.seq, partId: names(request.partId), opened: request.received };
    setTimeout(() => link.result(committed(makeVerdict({}, part))), 15);
  });
  link.state(operational);
  await link.start(never);
  await until('up', () => link.connected());
}

// The machine that runs tests may stall: T_ack and the heartbeat are generous, T_result is what the scenarios are made of.
const rule = { tAck: 800, tResult: 1_000, heartbeat: 1_000, acceptSimulated: false };
function plc(base: string, options: Partial<SimulatorOptions>): { sim: SimulatedPlc; wrong: string[] } {
  const wrong: string[] = [];
  const sim = new SimulatedPlc({ url: broker.url, base, period: 120, parts: 16, rule, ...options }, systemClock, {
    wrong: (why) => wrong.push(why),
  });
  cleanup.push(() => sim.stop());
  sim.start();
  return { sim, wrong };
}

test('a station that answers with the verdict of another part is seen', async () => {
  await station('verdictd/liar', () => 'X1');
  const { sim, wrong } = plc('verdictd/liar', { lastSeq: 100, parts: 3, period: 500 });
  await until('all at the gate', () => sim.counts.through + sim.counts.diverted === 3);
  expect(sim.counts.accepted).toBeGreaterThan(0);
  expect(sim.counts.wrong).toBe(sim.counts.accepted);
  expect(wrong[0]).toContain('by the verdict of X1');
});

test('every scenario at once: each part reaches the gate, the wrong ones find it shut', async () => {
  const names = Object.keys(scenarios) as ScenarioName[];
  const played = new Map<ScenarioName, SimulatorCounts[]>();
  await Promise.all(
    names.map(async (name) => {
      const base = `verdictd/${name}`;
      await station(base);
      const plcs = Array.from({ length: plcsOf(name) }, (_, n) =>
        plc(base, { prefix: `${n}-`, scenario: scenarios[name].make(rule, uniform(n)) }),
      );
      await until(`${name} over`, () => plcs.every(({ sim: { counts } }) => counts.through + counts.diverted === 16), 25_000);
      for (const { wrong } of plcs) expect([name, wrong]).toEqual([name, []]);
      played.set(
        name,
        plcs.map(({ sim }) => sim.counts),
      );
    }),
  );
  const of = (name: ScenarioName): SimulatorCounts => {
    const [counts] = played.get(name) ?? [];
    if (counts === undefined) throw new Error(`${name} was not played`);
    return counts;
  };
  expect(of('normal').through).toBeGreaterThan(0);
  expect(of('lost-seq').rejected.ackRefused).toBeGreaterThan(0);
  expect(of('duplicated').through).toBeGreaterThan(0);
  expect(of('bounce').triggers).toBeGreaterThan(of('bounce').parts);
  expect(of('bounce').diverted).toBeGreaterThanOrEqual(5); // parts 3, 6, 9, 12, 15
  expect(of('missing-edge').triggers).toBeLessThanOrEqual(11);
  expect(of('missing-edge').diverted).toBeGreaterThanOrEqual(5);
  expect(of('cold-start').diverted).toBeGreaterThan(0);
  expect(of('delayed').diverted).toBeGreaterThan(0);
  expect(of('buffered').diverted).toBeGreaterThan(0);
  const both = played.get('two-plcs') ?? [];
  expect(both.reduce((sum, counts) => sum + counts.diverted, 0)).toBeGreaterThan(0);
});
