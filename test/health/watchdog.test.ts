/** When the watchdog is fed, who works when nobody does, and when a start is a safe one. */
import { Canary, canaryAfter } from '../../src/health/canary';
import { crashLimit, crashWindow, judgeStart } from '../../src/health/crashes';
import { Supervisor } from '../../src/health/supervisor';
import { type Stage, stuck, Watchdog } from '../../src/health/watchdog';
import { FakeClock } from '../fakes/clock';
import { keptDiagnostics } from '../plc/support';

const stages = (camera: number, inference: number, log: number): Stage[] => [
  { name: 'camera', last: camera, limit: 10 },
  { name: 'inference', last: inference, limit: 20 },
  { name: 'log', last: log, limit: 30 },
];

test.each([
  ['all work', [95, 85, 75], null],
  ['at their limits', [90, 80, 70], null],
  ['the camera is silent', [89, 85, 75], { name: 'camera', silent: 11 }],
  ['inference is silent', [95, 79, 75], { name: 'inference', silent: 21 }],
  ['the log is silent', [95, 85, 69], { name: 'log', silent: 31 }],
  ['the longest over its limit is named', [80, 60, 69], { name: 'inference', silent: 40 }],
])('%s', (_, [camera = 0, inference = 0, log = 0], expected) => {
  expect(stuck(stages(camera, inference, log), 100)).toEqual(expected);
});

test('one stuck stage among working ones starves the watchdog; work feeds it again', async () => {
  const clock = new FakeClock();
  const { diagnostics, lines } = keptDiagnostics();
  let fed = 0;
  const supervisor = new Supervisor({}, diagnostics);
  supervisor.progressed = () => void fed++;
  let last = clock.now();
  const dog = new Watchdog(() => [{ name: 'inference', last, limit: 1_000 }], supervisor, clock, diagnostics);
  dog.look();
  await clock.advance(1_001);
  dog.look();
  dog.look();
  expect(fed).toBe(1);
  expect(lines.map(({ msg }) => msg)).toEqual(['no progress']);
  last = clock.now();
  dog.look();
  expect(fed).toBe(2);
  expect(lines.map(({ msg }) => msg)).toEqual(['no progress', 'works again']);
});

describe('canary', () => {
  const bench = () => {
    const clock = new FakeClock();
    const ran = { inference: 0, log: 0 };
    const told: [string, unknown][] = [];
    let fail: Error | null = null;
    const work = async (stage: 'inference' | 'log'): Promise<void> => {
      ran[stage]++;
      if (fail !== null) throw fail;
    };
    const canary = new Canary(() => ({
      clock,
      inspect: () => work('inference'),
      write: () => work('log'),
      done: (stage, failure) => told.push([stage, failure]),
    }));
    const settle = () => new Promise((done) => setImmediate(done));
    return { clock, ran, told, canary, settle, failWith: (error: Error | null) => (fail = error) };
  };

  test('what fails is no work, and is tried again', async () => {
    const { clock, ran, told, canary, settle, failWith } = bench();
    const error = new Error('NaN');
    failWith(error);
    const born = canary.lastWork('inference');
    await clock.advance(canaryAfter);
    canary.look();
    canary.look(); // one at a time
    await settle();
    expect(ran).toEqual({ inference: 1, log: 1 });
    expect(told).toEqual([
      ['inference', error],
      ['log', error],
    ]);
    expect(canary.lastWork('inference')).toBe(born);
    failWith(null);
    canary.look();
    await settle();
    expect(canary.lastWork('inference')).toBe(clock.now());
  });

  test('an idle line is worked, a busy one is left alone', async () => {
    const { clock, ran, canary, settle } = bench();
    for (let second = 0; second < 120; second++) {
      await clock.advance(1_000);
      canary.worked('inference'); // parts come
      canary.worked('log');
      canary.look();
    }
    await settle();
    expect(ran).toEqual({ inference: 0, log: 0 });
    for (let second = 0; second < 120; second++) {
      await clock.advance(1_000);
      canary.look();
      await settle();
    }
    expect(ran).toEqual({ inference: (120_000 / canaryAfter) | 0, log: (120_000 / canaryAfter) | 0 });
  });
});

describe('crash loop', () => {
  test('five starts in five minutes are a loop; spread out, or of another boot of the machine, they are not', () => {
    let record = null as Parameters<typeof judgeStart>[0];
    const starts = Array.from({ length: crashLimit + 1 }, (_, i) => {
      const { safe, after } = judgeStart(record, 'a', 1_000 * i);
      record = after;
      return safe;
    });
    expect(starts).toEqual([false, false, false, false, false, true]);
    expect(judgeStart(record, 'b', 6_000).safe).toBe(false);
    record = null;
    for (let i = 0; i < 20; i++) {
      const { safe, after } = judgeStart(record, 'a', (i * crashWindow) / (crashLimit - 1));
      expect(safe).toBe(false);
      record = after;
    }
  });

  test('out of safe mode one crash is enough to go back', () => {
    const retried = { boot: 'a', starts: [400_000], looping: true };
    expect(judgeStart(retried, 'a', 402_000).safe).toBe(true);
    expect(judgeStart({ ...retried, looping: false }, 'a', 402_000).safe).toBe(false);
  });
});
