/** What the watchdog is told to look at. */
import { Code } from '../../src/codes';
import { InspectionError } from '../../src/errors';
import { Supervisor } from '../../src/health/supervisor';
import type { Report } from '../../src/line/line';
import { Life, type Working } from '../../src/station/life';
import { FakeClock, settle } from '../fakes/clock';
import { quiet } from '../plc/support';

function cameraStage(connected: boolean, alive: number, tried: number) {
  const rooms = {
    camera: { health: () => ({ alive }) },
    exposures: { connected, tried },
    inspector: null,
    log: null,
  } as unknown as Working;
  const supervisor = new Supervisor({}, quiet);
  const life = new Life({ heartbeat: 100, ttl: 500 }, () => rooms, {
    clock: new FakeClock(),
    diagnostics: quiet,
    supervisor,
    selfTest: () => undefined,
  });
  return life.stages().find(({ name }) => name === 'camera');
}

test('a camera that has just been started is not called silent since the machine was switched on', () => {
  expect(cameraStage(true, 0, 5_000)?.last).toBe(5_000);
});

test('one that streams counts by its last sign of life; one that is lost, also by the last try', () => {
  expect(cameraStage(true, 9_000, 5_000)).toMatchObject({ last: 9_000, limit: 15_000 });
  expect(cameraStage(false, 4_000, 8_000)).toMatchObject({ last: 8_000, limit: 90_000 });
});

test('a part that was scored is no proof of a model that failed its self-test: the canary asks on', async () => {
  const clock = new FakeClock();
  let asked = 0;
  let wrong = true;
  const inspector = {
    selfTest: () => {
      asked++;
      return wrong ? Promise.reject(new InspectionError(Code.selfTest, 'another score')) : Promise.resolve();
    },
    reviving: () => false,
  };
  const rooms = { camera: null, exposures: null, inspector, log: null } as unknown as Working;
  const said: boolean[] = [];
  const life = new Life({ heartbeat: 100, ttl: 500 }, () => rooms, {
    ...{ clock, diagnostics: quiet, supervisor: new Supervisor({}, quiet) },
    selfTest: (passed) => said.push(passed),
  });
  const look = async (): Promise<void> => {
    (life as unknown as { canary: { look(): void } }).canary.look(); // its own timer does so each second
    await settle();
  };
  const scored = { verdict: { score: 0.1, code: Code.ok } } as Report;
  await clock.advance(21_000);
  await look();
  expect([asked, said]).toEqual([1, [false]]);
  life.part(scored);
  await look();
  expect([asked, said]).toEqual([2, [false, false]]);
  wrong = false;
  await look();
  expect(said.at(-1)).toBe(true);
  life.part(scored);
  await look();
  expect(asked).toBe(3);
});
