/** From Friday's late shift to Monday's early one, on a clock that runs as fast as it can: who works, who is fed, who is alarmed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Code } from '../../src/codes';
import { canaryAfter } from '../../src/health/canary';
import { Supervisor } from '../../src/health/supervisor';
import type { Clock, Verdict } from '../../src/ports';
import { Life, type Working } from '../../src/station/life';
import { Watch } from '../../src/watch/watch';
import { keptDiagnostics, makeVerdict } from '../plc/support';

const second = 1_000;
const hour = 3_600_000;

function line() {
  const dir = mkdtempSync(join(tmpdir(), 'verdictd-weekend-'));
  const friday = new Date('2026-03-13T20:00:00').getTime(); // local time, as shifts are
  let now = 0;
  let trusted = true;
  const clock: Clock = {
    now: () => now,
    wall: () => ({ utc: new Date(friday + now).toISOString(), trusted }),
    at: () => () => undefined,
  };
  const { diagnostics, lines } = keptDiagnostics();
  let fed = 0;
  const supervisor = new Supervisor({}, diagnostics);
  supervisor.progressed = () => void fed++;
  let broken = false;
  const ran = { inference: 0, log: 0 };
  const rooms = {
    camera: { health: () => ({ alive: now }) },
    exposures: { connected: true, tried: 0 },
    inspector: {
      selfTest: async () => {
        ran.inference++;
        if (broken) throw new Error('the model hangs');
      },
      alive: () => now,
      reviving: () => false,
    },
    log: {
      probe: async () => void ran.log++,
      alive: () => now,
    },
  } as unknown as Working;
  const life = new Life({ heartbeat: 1_000, ttl: 1_500 }, () => rooms, { clock, diagnostics, supervisor, selfTest: () => undefined });
  let triggers = 0;
  const alarms: string[] = [];
  const events: string[] = [];
  const at = () => new Date(friday + now).toTimeString().slice(0, 8);
  const watch = new Watch(
    {
      ...{ dataDir: dir, rejectsInRow: 5, haltOnRejects: false, noReject: 0, noTrigger: 30, baseline: 50 },
      shifts: ['06:00-14:00', '14:00-22:00'],
      workdays: ['mon', 'tue', 'wed', 'thu', 'fri'],
    },
    {
      ...{ clock, diagnostics, operational: () => true, triggers: () => triggers, halt: () => undefined },
      alarm: (code, on) => alarms.push(`${code} ${on ? 'on' : 'off'} ${at()}`),
      event: async (kind) => void events.push(kind),
    },
  );
  life.start();
  watch.start();
  const good: Verdict = makeVerdict({ code: Code.ok });
  return {
    ...{ lines, alarms, events, ran, watch, fed: () => fed },
    breakModel: () => (broken = true),
    loseClock: () => (trusted = false),
    /** Lets `ms` pass, with a good part every `pace` ms; 0: none. */
    async pass(ms: number, pace = 0): Promise<void> {
      for (const end = now + ms; now < end; ) {
        const step = pace > 0 ? second : 5 * second;
        now += step;
        if (pace > 0 && now % pace === 0) {
          triggers++;
          life.part({ verdict: good });
          watch.part(good, null);
        }
        jest.advanceTimersByTime(step);
        if (now % 10_000 === 0) await new Promise((done) => setImmediate(done));
      }
    },
    async end(): Promise<void> {
      life.stop();
      await watch.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

beforeEach(() => jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] }));
afterEach(() => jest.useRealTimers());

test('a weekend without parts: canary and watchdog work on, nobody is alarmed; on Monday half an hour of silence is told', async () => {
  const { pass, end, ran, fed, lines, alarms, events } = line();
  await pass(2 * hour, 10 * second); // until Friday 22:00
  expect(ran).toEqual({ inference: 0, log: 0 });
  await pass(56 * hour); // until Monday 06:00
  for (const times of [ran.inference, ran.log]) expect(times).toBeGreaterThan((0.8 * 56 * hour) / canaryAfter);
  expect(fed()).toBeGreaterThanOrEqual((58 * hour) / (5 * second));
  expect([alarms, lines]).toEqual([[], []]);
  await pass(hour);
  expect(alarms).toEqual(['803 on 06:30:00']);
  await pass(10 * second, 10 * second);
  expect(alarms).toEqual(['803 on 06:30:00', '803 off 07:00:10']);
  expect(events).toEqual(['alarm', 'alarmEnded']);
  await end();
});

test('a model that hangs on a day off starves the watchdog, though no part asks for it', async () => {
  const { pass, end, fed, lines, breakModel } = line();
  await pass(2 * hour, 10 * second);
  await pass(3 * hour);
  breakModel();
  await pass(70 * second);
  const before = fed();
  await pass(hour);
  expect(fed()).toBe(before);
  expect(lines.map(({ msg }) => msg)).toContain('no progress');
  await end();
});

test('without a clock that is trusted nobody knows when parts are due: no alarm', async () => {
  const { pass, end, alarms, loseClock } = line();
  loseClock(); // within a shift, if it were to be believed
  await pass(2 * hour);
  expect(alarms).toEqual([]);
  await end();
});
