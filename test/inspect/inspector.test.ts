import { PushedCamera } from '../../src/camera/pushed';
import { systemClock } from '../../src/clock';
import { Code } from '../../src/codes';
import { ModelInspector } from '../../src/inspect/inspector';
import type { Frame, Plan } from '../../src/ports';
import { Bench, bundleOf, golden, nan, recipeOf, side, soon } from './models';

const bench = new Bench();
const cameras: PushedCamera[] = [];
afterAll(async () => {
  for (const camera of cameras) await camera.stop(soon());
  await bench.close();
});

/** Frames of grey pictures, through the native thread and its ring. */
async function* framesOf(plan: Plan, greys: readonly number[]): AsyncGenerator<Frame> {
  const camera = new PushedCamera({ slots: 4, thumbnailWidth: 64, simulated: true });
  cameras.push(camera);
  camera.start(plan);
  const size = 64;
  const pushed = (async () => {
    for (const grey of greys) {
      const data = new Uint8Array(size * size * 3).fill(grey);
      const image = { width: size, height: size, stride: size * 3, pixelFormat: 'RGB8' as const, data };
      await camera.push(image, { source: null, truth: null, exposed: systemClock.now() });
    }
    camera.end();
  })();
  for await (const shot of camera.exposures()) {
    if (shot.kind === 'fault') throw new Error(shot.detail);
    yield shot;
  }
  await pushed;
}

async function frameOf(plan: Plan, grey: number): Promise<Frame> {
  for await (const frame of framesOf(plan, [grey])) return frame;
  throw new Error('no frame');
}

const signal = () => new AbortController().signal;

test('before prepare nothing is judged', async () => {
  const inspector = new ModelInspector(bench.engine(), bundleOf(bench.dir, 'early'), recipeOf(bench.dir, 'early-bank'), {});
  const frame = { planId: 1, ring: 1, slot: 0 } as Frame;
  await expect(inspector.inspect(frame, { id: 1 } as Plan, soon())).rejects.toMatchObject({ wire: Code.incompleteFrame });
  expect(inspector.loaded()).toBeNull();
});

test('a frame of another plan is never judged', async () => {
  const inspector = new ModelInspector(bench.engine(), bundleOf(bench.dir, 'plans'), recipeOf(bench.dir, 'plans-bank'), {});
  const old = await inspector.prepare(signal());
  const frame = await frameOf(old, 100);
  const plan = await inspector.prepare(signal());
  expect(plan.id).not.toBe(old.id);
  await expect(inspector.inspect(frame, plan, soon())).rejects.toMatchObject({ wire: Code.incompleteFrame });
  await expect(inspector.inspect(frame, old, soon())).rejects.toMatchObject({ wire: Code.incompleteFrame });
  frame.release();
});

test('a frame is read in its slot; each of many gets its own findings', async () => {
  const inspector = new ModelInspector(bench.engine(), bundleOf(bench.dir, 'frames'), recipeOf(bench.dir, 'frames-bank'), { Gain: 3 });
  const plan = await inspector.prepare(signal());
  expect(plan).toMatchObject({ recipe: { id: 'frames-bank', number: 7 }, camera: { Gain: 3 }, input: { width: side, height: side } });
  expect(inspector.loaded()).toMatchObject({ provider: 'cpu', golden });
  const greys = [0, 10, 250, 128, 3, 77, 255, 1];
  const scores: number[] = [];
  for await (const frame of framesOf(plan, greys)) {
    const found = await inspector.inspect(frame, plan, soon());
    frame.release();
    scores.push(found.score);
    expect(found).toMatchObject({ provider: 'cpu', probabilities: null, map: { width: 12, height: 16 } });
    expect(found.map?.data).toHaveLength(12 * 16);
    expect(found.mapMax).toBeCloseTo(found.score, 5); // a grey picture: all tokens alike
    expect(found.ms.model).toBeGreaterThan(0);
  }
  expect(scores).toHaveLength(greys.length);
  for (const [i, grey] of greys.entries()) expect(scores[i]).toBeCloseTo((grey / 255) * 10, 4);
  expect(inspector.alive()).toBeLessThanOrEqual(systemClock.now());
  await inspector.stop(soon());
  await inspector.stop(soon());
});

test('a model that gives NaN on a frame: 403; the next frame is judged again', async () => {
  const bundle = bundleOf(bench.dir, 'nan-frames', { tokens: nan.tokens }); // log(0) is -infinity
  const inspector = new ModelInspector(bench.engine(), bundle, recipeOf(bench.dir, 'nan-bank'), {}, 'none');
  const plan = await inspector.prepare(signal());
  const results: unknown[] = [];
  for await (const frame of framesOf(plan, [0, 255])) {
    results.push(await inspector.inspect(frame, plan, soon()).catch((error: unknown) => error));
    frame.release();
  }
  expect(results).toEqual([expect.objectContaining({ wire: Code.notANumber }), expect.objectContaining({ score: 0, map: null })]);
});

test('a model that has begun to score otherwise: 404, and no other recipe takes what it gives now for its own first score', async () => {
  const engine = bench.engine();
  const bundle = bundleOf(bench.dir, 'turned');
  const [one, other, third] = ['turned-a', 'turned-b', 'turned-c'].map(
    (id) => new ModelInspector(engine, bundle, recipeOf(bench.dir, id), {}),
  );
  if (one === undefined || other === undefined || third === undefined) throw new Error('three');
  await one.prepare(signal());
  await one.selfTest(soon());
  await other.prepareBeside(null);
  engine.golden?.data.fill(0.7); // as if: the same picture comes out of the model as another
  await expect(other.selfTest(soon())).rejects.toMatchObject({ wire: Code.selfTest }); // by the bundle's own golden score
  await expect(one.selfTest(soon())).rejects.toMatchObject({ wire: Code.selfTest });
  expect(one.failed).toBe(true);
  // The model's own score is right again, and nobody has shown that what the banks read is.
  engine.golden?.data.fill(golden);
  await third.prepareBeside(null);
  await expect(third.selfTest(soon())).rejects.toMatchObject({ wire: Code.selfTest });
  await one.selfTest(soon());
  expect(one.failed).toBe(false);
  await other.selfTest(soon());
  await third.selfTest(soon());
});
