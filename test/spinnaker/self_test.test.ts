/** @jest-environment ./test/support/fake_spinnaker.cjs */
/** A camera that streams is not yet one that gives pictures: it is up with its first whole frame, which is nobody's part. */
import { systemClock } from '../../src/clock';
import { Exposures } from '../../src/line/exposures';
import type { Frame, FrameFault } from '../../src/ports';
import { planOf, soon } from '../contract/camera';
import { quiet } from '../plc/support';
import { built, command, describeFake, reset, spinnaker, status, until } from './fake';

let exposures: Exposures;
let ups: number;
let lost: string[];
let shots: (Frame | FrameFault)[];

function start(): void {
  ups = 0;
  lost = [];
  shots = [];
  exposures = new Exposures(spinnaker(), systemClock, quiet, true);
  exposures.start(planOf(), {
    exposure: (shot) => {
      shots.push(shot);
      if (shot.kind === 'frame') shot.release();
    },
    up: () => ups++,
    lost: (_, detail) => lost.push(detail),
    ended: () => undefined,
    failed: () => undefined,
  });
}
const come = (what: () => boolean, name: string) => until(() => (what() ? true : undefined), name);

if (built) {
  beforeAll(async () => {
    await spinnaker().borrow((camera) => camera.list());
  });
  beforeEach(async () => reset());
  afterEach(async () => {
    await exposures.stop(soon());
    const { held, violations } = await status();
    expect({ images: held.images, violations }).toEqual({ images: 0, violations: [] });
  });
}

describeFake('the self-test of a camera', () => {
  test('one that lives and shows nothing is lost, with the reason; it is up when it shows a picture', async () => {
    await command('fault lost count=always');
    start();
    await come(() => lost.some((text) => /no picture for the self-test: no frame came within/.test(text)), 'the refusal');
    expect([ups, exposures.connected]).toEqual([0, false]);
    await command('fault clear');
    await come(() => exposures.connected, 'the camera');
    expect(ups).toBe(1);
  });

  test('a spoilt frame is not the end of it; what was taken is no part, the next exposure is', async () => {
    await command('fault incomplete');
    start();
    await come(() => exposures.connected, 'the camera');
    expect(lost).toEqual([]);
    expect((await status()).devices[0]?.exposures).toBe(2);
    expect(shots).toEqual([]);
    await exposures.fire();
    await come(() => shots.length === 1, 'the part');
    expect(shots[0]).toMatchObject({ kind: 'frame', frameId: 2 });
  });

  test('stopped in the middle of it: nothing hangs', async () => {
    await command('silent = on');
    start();
    await until(async () => ((await status()).devices[0]?.streaming ? true : undefined), 'the stream');
    await exposures.stop(soon());
    expect([ups, exposures.connected]).toEqual([0, false]);
  });
});
