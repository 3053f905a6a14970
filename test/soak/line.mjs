// A station's way from the trigger to the verdict, with everything real that can let a faulty frame through: the Spinnaker camera over
// the addon, the keeper of its stream, the line, the quality gate and the verdict rule. In place of the model stands a judge who
// passes whatever reaches him and notes what the pixels say: the harshest there can be, as a model might refuse a torn picture by
// chance. Log and publisher are a ledger in memory that takes the verdict's `released`, the last word before the wire.
import { createRequire } from 'node:module';
import { getHeapStatistics } from 'node:v8';
import { library } from './fake.mjs';

const require = createRequire(import.meta.url);
const room = (name) => require(`../../dist/${name}.js`);
const { SpinnakerCamera } = room('camera/spinnaker');
const { Exposures } = room('line/exposures');
const { Line } = room('line/line');
const { ResultIds } = room('line/ids');
const { judgeBy } = room('inspect/verdict');
const { gate } = room('inspect/quality');
const { createDiagnostics } = room('diagnostics');
const { systemClock, monotonicMs } = room('clock');
const { openRing } = room('native');
const { Code } = room('codes');

export { monotonicMs };
export const width = 256;
export const height = 128;
/** What a released image's memory is filled with: a picture full of it was read after it was given back. */
const poison = 0xdd;

/** The exposure's number that the fake writes into the first pixels; null where the two copies do not agree. */
function stampOf(tensor) {
  let [low, inverse] = [0, 0];
  for (let i = 0; i < 32; i++) {
    low |= (Math.round(tensor[i] * 255) & 1) << i;
    inverse |= (Math.round(tensor[32 + i] * 255) & 1) << i;
  }
  return low === ~inverse ? low >>> 0 : null;
}

function poisoned(tensor) {
  let [seen, all] = [0, 0];
  for (let i = 64; i < width * height; i += 61, all++) if (Math.round(tensor[i] * 255) === poison) seen++;
  return seen > all / 4;
}

const settings = {
  UserSetSelector: 'Default',
  ExposureTime: 1000,
  Gain: 0,
  BalanceRatioRed: null,
  BalanceRatioBlue: null,
  PixelFormat: 'Mono8', // one to one into the tensor: every pixel of the sensor can be read there
  Width: null,
  Height: null,
  OffsetX: 0,
  OffsetY: 0,
  BinningHorizontal: 1,
  BinningVertical: 1,
  ReverseX: false,
  ReverseY: false,
  AcquisitionFrameRate: null,
  TriggerSource: null,
  TriggerActivation: 'RisingEdge',
  TriggerDelay: 0,
  LineFilterWidth: 0,
  DeviceLinkThroughputLimit: null,
  StreamBufferCountManual: 10,
  strobeLine: null,
  acceptLine: null,
};

/**
 * Runs until stop(). `frameTimeout`, `ttl` in ms. `passed({seq, frameId, stamp, torn})` for every part that is released.
 * Of what it returns, trigger() resolves with the verdict's code once the part is closed, with null where it was not admitted.
 */
export function startLine({ frameTimeout, ttl, passed }) {
  const camera = new SpinnakerCamera({ library, serial: '', settings, triggered: true, acceptPulse: 100, frameTimeout, thumbnailWidth: 0 });
  const exposures = new Exposures(camera, systemClock, createDiagnostics('silent'), true);
  const input = { width, height, resize: 'bicubic', fit: 'squash', mean: [0, 0, 0], std: [1, 1, 1] };
  const plan = { id: 1, recipe: { id: 'soak', number: 1 }, input, camera: {} };
  const waiting = new Map(); // seq -> resolve
  const seen = new WeakMap(); // frame -> what its pixels say
  const state = {
    /** Also false while the line has the stream begun again: a trigger is refused then. */
    get connected() {
      return exposures.connected;
    },
    ups: 0,
    failure: null,
    why: '',
  };
  let seq = 0;
  const ttlOf = (opened) => opened + ttl;

  const publisher = {
    ack: (of, code) => {
      // Later: whoever tries again at once must not keep the camera's events from coming in.
      if (code !== Code.ok) setImmediate(() => waiting.get(of)?.(null));
    },
    acquired: () => undefined,
    result: ({ verdict }) => ({ ok: verdict.released === 1 && monotonicMs() <= ttlOf(verdict.part.opened) ? 1 : 0, age: 0 }),
    refuse: () => undefined,
    drain: () => undefined,
  };
  const log = { open: async () => undefined, commit: async (verdict) => ({ verdict }) };
  const inspector = {
    inspect: async (shot) => {
      const tensor = openRing(shot.ring).tensor(shot.slot);
      seen.set(shot, { stamp: stampOf(tensor), torn: poisoned(tensor) });
      return { score: 0.1, mapMax: 0.1, map: null, probabilities: null, provider: 'soak', ms: { queue: 0, model: 0, bank: 0 } };
    },
  };
  const line = new Line(
    { freeRun: false, ttl, margin: ttl / 10, maxOpen: 2, lot: '', config: '' },
    {
      clock: systemClock,
      exposures,
      inspector,
      log,
      publisher,
      judge: judgeBy({ acceptSimulated: false, acceptProvisional: false, teaching: () => false }),
      ids: new ResultIds(1),
      diagnostics: createDiagnostics('silent'),
      notReady: () => (exposures.connected ? Code.ok : Code.cameraLost),
      evidence: ({ verdict }, shot) => {
        if (verdict.released === 1) passed({ seq: verdict.part.seq, frameId: verdict.frameId, ...seen.get(shot) });
        shot.release();
      },
      report: ({ verdict }) => waiting.get(verdict.part.seq)?.(verdict.code),
    },
    0,
  );
  line.use({
    plan,
    bundle: '',
    simulated: false,
    limit: { value: 1, grey: 0, provisional: false },
    gate: (quality) => gate(quality, null),
    provider: () => 'soak',
  });
  exposures.start(plan, {
    exposure: (shot) => line.exposure(shot),
    up: () => {
      state.ups++;
    },
    lost: (code, detail) => {
      state.why = detail;
      line.cameraLost(code, detail);
    },
    ended: () => {
      state.failure = new Error('the stream ended');
    },
    failed: (error) => {
      state.failure = error;
    },
  });
  return {
    state,
    camera,
    trigger: () =>
      new Promise((resolve) => {
        const mine = ++seq;
        waiting.set(mine, (code) => {
          waiting.delete(mine);
          resolve(code);
        });
        line.trigger({ seq: mine, partId: '', recipeId: 0, received: monotonicMs() });
      }),
    stop: async () => {
      await line.stop(monotonicMs() + 2000);
      await exposures.stop(monotonicMs() + 5000);
    },
    counts: line.counts,
  };
}

/** Resolves when `is()` holds; rejects after `ms` with what never came. */
export async function until(is, what, ms = 30_000) {
  const end = monotonicMs() + ms;
  while (!is()) {
    if (monotonicMs() > end) throw new Error(`never came within ${ms} ms: ${typeof what === 'function' ? what() : what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/**
 * Bytes: of the whole process, of JavaScript's objects, and of the pages V8 holds for them. What is only waiting to be collected is
 * collected first (--expose-gc); a ring goes in two steps, its arrays and then what their end sets free.
 */
export async function memory() {
  for (let step = 0; step < 2; step++) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { rss: process.memoryUsage.rss(), heap: process.memoryUsage().heapUsed, pages: getHeapStatistics().total_physical_size };
}

/** Least squares slope of a series against its index. */
export function slope(values) {
  const n = values.length;
  if (n < 2) return 0;
  const meanX = (n - 1) / 2;
  const meanY = values.reduce((a, b) => a + b, 0) / n;
  let [xy, xx] = [0, 0];
  for (let i = 0; i < n; i++) {
    xy += (i - meanX) * (values[i] - meanY);
    xx += (i - meanX) ** 2;
  }
  return xy / xx;
}
