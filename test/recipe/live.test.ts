import { VerdictdError } from '../../src/errors';
import type { Camera, CameraInfo, Frame, FrameFault, Plan } from '../../src/ports';
import { LiveParts } from '../../src/recipe/live';
import { FakeClock, settle } from '../fakes/clock';

const plan: Plan = {
  id: 0,
  recipe: { id: 'plate', number: 0 },
  input: { width: 8, height: 8, resize: 'bicubic', fit: 'squash', mean: [0, 0, 0], std: [1, 1, 1] },
  camera: {},
};

test('a camera that fails while teaching: one error to the caller, no unhandled rejection beside it', async () => {
  const failure = new VerdictdError('CAMERA_FAILED', 'The source of pictures failed.');
  const failing = (): AsyncIterable<Frame | FrameFault> => ({
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        await settle();
        throw failure;
      },
    }),
  });
  const camera: Camera = {
    start: () =>
      Promise.resolve({ vendor: '', model: '', serial: '', simulated: true, width: 8, height: 8, pixelFormat: 'RGB8' } as CameraInfo),
    exposures: failing,
    fire: () => Promise.reject(failure),
    health: () => ({ connected: false, alive: 0, frames: 0, faults: {}, temperature: null }),
    stop: () => Promise.resolve(),
  };
  const unhandled: unknown[] = [];
  const note = (thrown: unknown): void => void unhandled.push(thrown);
  process.on('unhandledRejection', note);
  const live = new LiveParts({ camera, clock: new FakeClock(), tensorOf: () => new Float32Array(0), triggered: true }, plan);
  await live.start(new AbortController().signal);
  await expect(live.parts(1)[0]?.read()).rejects.toBe(failure);
  await settle();
  await settle();
  process.off('unhandledRejection', note);
  await live.stop();
  expect(unhandled).toEqual([]);
});
