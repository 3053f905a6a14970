import { copyFileSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { systemClock } from '../../src/clock';
import { Code } from '../../src/codes';
import type { ErrorCode } from '../../src/errors';
import { InspectionError } from '../../src/errors';
import type { Engine } from '../../src/inspect/engine';
import { log, mul } from '../../src/onnx/ops';
import { Bench, bundleOf, count, entry, filled, golden, nan, recipeOf, side, slowBundle, soon } from './models';

const bench = new Bench();
afterAll(() => bench.close());

const slowCount = 3 * 512 * 512;

async function wireOf(promise: Promise<unknown>): Promise<Code> {
  const thrown = await promise.then(
    () => null,
    (error: unknown) => error,
  );
  if (thrown instanceof InspectionError) return thrown.wire;
  throw new Error(`expected an InspectionError, got ${String(thrown)}`);
}

async function refusal(promise: Promise<unknown>): Promise<{ code: ErrorCode; message: string }> {
  return await promise.then(
    () => {
      throw new Error('expected a refusal');
    },
    (error: { code: ErrorCode; message: string }) => error,
  );
}

/** The thread inside the engine, to do to it what a fault would. */
function threadOf(engine: Engine): Worker {
  const client = Reflect.get(engine, 'client') as object;
  return Reflect.get(client, 'worker') as Worker;
}

describe('what is refused at load', () => {
  const engine = bench.engine();

  test('a missing model', async () => {
    const bundle = { ...bundleOf(bench.dir, 'gone'), modelPath: `${bench.dir}/nowhere.onnx` };
    expect(await refusal(engine.load(bundle, null))).toMatchObject({
      code: 'BUNDLE_REFUSED',
      message: expect.stringContaining('nowhere.onnx is missing') as string,
    });
  });

  test('a model or a bank that is another than it was when the bundle or the recipe was checked', async () => {
    const bundle = bundleOf(bench.dir, 'swapped');
    const recipe = recipeOf(bench.dir, 'swapped-bank');
    const other = bundleOf(bench.dir, 'other', { map: (x) => mul(x, 2) }); // runs, and the golden image scores the same
    const sound = await engine.load(bundle, recipe);
    copyFileSync(recipeOf(bench.dir, 'other-bank', 'tokens', 12).bankPath, `${bench.dir}/aside.onnx`);
    writeFileSync(recipe.bankPath, Buffer.concat([readFileSync(`${bench.dir}/aside.onnx`), Buffer.from([0])]));
    expect(await refusal(engine.load(bundle, recipe))).toMatchObject({
      code: 'RECIPE_REFUSED',
      message: expect.stringContaining('swapped-bank.onnx was altered') as string,
    });
    copyFileSync(other.modelPath, bundle.modelPath);
    expect(await refusal(engine.load({ ...bundle, sha256: 'e'.repeat(64) }, null))).toMatchObject({
      code: 'BUNDLE_REFUSED',
      message: expect.stringContaining('swapped.onnx was altered') as string,
    });
    expect((await engine.run(sound.job, filled(0.5), soon(), 'none')).score).toBeCloseTo(5, 4); // what ran before still runs
  });

  test('a model swapped for a link', async () => {
    const bundle = bundleOf(bench.dir, 'linked');
    renameSync(bundle.modelPath, `${bench.dir}/elsewhere.onnx`);
    symlinkSync(`${bench.dir}/elsewhere.onnx`, bundle.modelPath);
    expect((await refusal(engine.load(bundle, null))).code).toBe('BUNDLE_REFUSED');
  });

  test('int8 bundles are for the CPU: other rungs are refused before they are tried, and without the CPU there is none', async () => {
    const bundle = bundleOf(bench.dir, 'int8');
    bundle.manifest.settings.precision = 'int8';
    const all = bench.engine({ providers: ['tensorrt', 'cuda', 'cpu'] });
    const { provider, refusals } = await all.load(bundle, null);
    expect(provider).toBe('cpu');
    expect(refusals.map((one) => [one.provider, one.reason])).toEqual([
      ['tensorrt', expect.stringContaining('int8')],
      ['cuda', expect.stringContaining('int8')],
    ]);
    const none = bench.engine({ providers: ['cuda'] });
    const { code, message } = await refusal(none.load(bundle, null));
    expect([code, message]).toEqual(['PROVIDER_UNAVAILABLE', expect.stringContaining('cuda: the bundle is int8')]);
  });

  test('a file that is no model', async () => {
    const bundle = bundleOf(bench.dir, 'broken');
    const bytes = Buffer.from('not protobuf at all');
    writeFileSync(bundle.modelPath, bytes);
    bundle.manifest.files['broken.onnx'] = entry(bytes);
    const { code, message } = await refusal(engine.load(bundle, null));
    expect(code).toBe('PROVIDER_UNAVAILABLE');
    expect(message).toMatch(/cpu: .*protobuf/);
  });

  test('a golden image that scores otherwise', async () => {
    const { code, message } = await refusal(engine.load(bundleOf(bench.dir, 'wrong-golden', { goldenScore: 0.7 }), null));
    expect(code).toBe('PROVIDER_UNAVAILABLE');
    expect(message).toContain('cpu: the golden image scored 0.5; expected 0.7 within 0.0001');
  });

  test('a model that gives NaN on the golden image', async () => {
    const { code, message } = await refusal(engine.load(bundleOf(bench.dir, 'nan-golden', { map: (x) => log(log(x)) }), null));
    expect(code).toBe('PROVIDER_UNAVAILABLE');
    expect(message).toContain('NaN or infinity');
  });

  test('a graph that is not what its manifest says: every difference at once', async () => {
    const bundle = bundleOf(bench.dir, 'other-shapes');
    bundle.manifest.input.width = 16;
    bundle.manifest.outputs.map = 'heat';
    bundle.manifest.taps = [{ name: 'tokens', rows: 4, columns: 4, dim: 13 }];
    const { code, message } = await refusal(engine.load(bundle, null));
    expect(code).toBe('BUNDLE_REFUSED');
    expect(message).toContain('image is [1,3,8,8] (expected [1,3,8,16]); heat is missing');
    expect(message).toContain('tokens is [1,16,12] (expected [1,16,13])');
  });

  test.each(['webgpu', 'tensorRT'])('the provider name %s', async (name) => {
    const { code, message } = await refusal(bench.engine({ providers: [name] }).load(bundleOf(bench.dir, `for-${name}`), null));
    expect(code).toBe('PROVIDER_UNAVAILABLE');
    expect(message).toContain(`${name}: not a provider that verdictd uses`);
  });

  test('a bank that does not fit, or is missing, leaves what ran before', async () => {
    const bundle = bundleOf(bench.dir, 'keeps');
    const { job } = await engine.load(bundle, recipeOf(bench.dir, 'fits'));
    const { code, message } = await refusal(engine.load(bundle, recipeOf(bench.dir, 'misfit', 'patches')));
    expect(code).toBe('RECIPE_REFUSED');
    expect(message).toContain('reads patches, which the model does not give');
    const gone = { ...recipeOf(bench.dir, 'gone-bank'), bankPath: `${bench.dir}/no-bank.onnx` };
    expect((await refusal(engine.load(bundle, gone))).code).toBe('RECIPE_REFUSED');
    expect((await refusal(engine.load(bundleOf(bench.dir, 'worse', { goldenScore: 3 }), null))).code).toBe('PROVIDER_UNAVAILABLE');
    expect((await engine.run(job, filled(0.25), soon(), 'none')).score).toBeCloseTo(2.5);
  });

  test('an aborted load', async () => {
    const abort = new AbortController();
    abort.abort();
    expect((await refusal(engine.load(bundleOf(bench.dir, 'aborted'), null, abort.signal))).code).toBe('ABORTED');
    const later = new AbortController();
    const slow = engine.load(slowBundle(bench.dir), null, later.signal);
    setTimeout(() => later.abort(), 20);
    expect((await refusal(slow)).code).toBe('ABORTED');
  });
});

describe('what is refused at a run', () => {
  const engine = bench.engine();
  const run = async (name: string, options: Parameters<typeof bundleOf>[2], value: number, bank: boolean) => {
    const { job } = await engine.load(bundleOf(bench.dir, name, options), bank ? recipeOf(bench.dir, `${name}-bank`) : null);
    return await wireOf(engine.run(job, filled(value), soon(), 'none'));
  };

  test('NaN in the map: 403', async () => {
    expect(await run('nan-map', { map: nan.map }, -1, false)).toBe(Code.notANumber);
  });

  test('an infinite score: 403', async () => {
    const bundle = { score: nan.score, goldenScore: 0 };
    // exp(1000 x 0.5) is infinite in float32 as well: the golden image is refused already.
    const loaded = await refusal(engine.load(bundleOf(bench.dir, 'inf-golden', bundle), null));
    expect(loaded.message).toContain('score of the model is Infinity');
  });

  test('NaN in the tokens a bank reads: 403, though its score may be finite', async () => {
    expect(await run('nan-tokens', { tokens: nan.tokens }, -1, true)).toBe(Code.notANumber);
  });

  test('a tensor of the wrong size', async () => {
    const { job } = await engine.load(bundleOf(bench.dir, 'size'), null);
    expect(await wireOf(engine.run(job, filled(1, 10), soon(), 'none'))).toBe(Code.notANumber);
    expect(await wireOf(engine.run(job, { ring: 987654, slot: 0 }, soon(), 'none'))).toBe(Code.notANumber);
    expect((await engine.run(job, filled(1), soon(), 'none')).score).toBe(1);
  });

  test('a call for a load that is no longer in force', async () => {
    const { job } = await engine.load(bundleOf(bench.dir, 'older'), null);
    await engine.load(bundleOf(bench.dir, 'newer'), null);
    expect(await wireOf(engine.run(job, filled(1), soon(), 'none'))).toBe(Code.notANumber);
  });

  test('before start and after stop', async () => {
    const other = bench.engine();
    await other.stop(soon());
    expect((await refusal(other.run(1, filled(1), soon(), 'none'))).code).toBe('ABORTED');
    await other.stop(soon());
  });
});

describe('what is found', () => {
  const engine = bench.engine();

  test('without a bank: the method’s own score and map; the map moves only when asked for', async () => {
    const loaded = await engine.load(bundleOf(bench.dir, 'own'), null);
    expect(loaded).toMatchObject({ provider: 'cpu', refusals: [], bankProvider: null, golden, map: { width: side, height: side } });
    const data = Float32Array.from({ length: count }, (_, i) => i);
    const expected = data.slice(2 * side * side);
    const plain = await engine.run(loaded.job, { data: data.slice() }, soon(), 'none');
    expect(plain).toMatchObject({ score: (count - 1) / 2, mapMax: count - 1, map: null, probabilities: null });
    for (const again of [1, 2]) {
      const { map, score } = await engine.run(loaded.job, { data: data.slice() }, soon(), 'full');
      expect({ again, score, map }).toEqual({ again, score: (count - 1) / 2, map: expected });
    }
    const negative = await engine.run(loaded.job, filled(-3), soon(), 'full');
    expect(negative).toMatchObject({ score: -3, mapMax: -3 });
  });

  test('with a bank: its score and map, of its own size', async () => {
    const loaded = await engine.load(bundleOf(bench.dir, 'with-bank'), recipeOf(bench.dir, 'bank'));
    expect(loaded).toMatchObject({ bankProvider: 'cpu', bankRefusals: [], map: { width: 12, height: 16 } });
    const data = Float32Array.from({ length: count }, (_, i) => i + 1);
    const { score, mapMax, map } = await engine.run(loaded.job, { data }, soon(), 'full');
    expect({ score, mapMax, length: map?.length, last: map?.[191] }).toEqual({ score: 10, mapMax: 1920, length: 192, last: 1920 });
  });

  test('another recipe on the same model needs no new session of it', async () => {
    const bundle = bundleOf(bench.dir, 'shared');
    await engine.load(bundle, null);
    writeFileSync(bundle.modelPath, 'no longer a model'); // a second session could not be made
    const { job } = await engine.load(bundle, recipeOf(bench.dir, 'second'));
    expect((await engine.run(job, filled(4), soon(), 'none')).score).toBe(40);
  });

  test('tokens for teaching', async () => {
    const { job } = await engine.load(bundleOf(bench.dir, 'teach'), null);
    const data = Float32Array.from({ length: count }, (_, i) => i);
    const embedding = await engine.embed(job, { data: data.slice() });
    expect(embedding.taps).toEqual([{ name: 'tokens', rows: 4, columns: 4, dim: 12, data }]);
    expect(embedding.map).toMatchObject({ width: side, height: side });
    expect(embedding.map.data).toHaveLength(side * side);
    const second = await engine.embed(job, filled(1));
    expect([second.score, second.taps[0]?.data[5], embedding.taps[0]?.data[5]]).toEqual([1, 1, 5]);
  });

  test('calls made at once are answered in order, each with its own', async () => {
    const { job } = await engine.load(bundleOf(bench.dir, 'order'), null);
    const order: number[] = [];
    const runs = [...Array(20).keys()].map(async (i) => {
      const { score } = await engine.run(job, filled(i), soon(), 'none');
      order.push(i);
      return score;
    });
    expect(await Promise.all(runs)).toEqual([...Array(20).keys()]);
    expect(order).toEqual([...Array(20).keys()]);
  });
});

test('the whole ladder on this machine: what refuses says why, what runs is reported', async () => {
  const engine = bench.engine({ providers: ['tensorrt', 'cuda', 'cpu'] });
  const { provider, refusals, job } = await engine.load(bundleOf(bench.dir, 'ladder'), null);
  expect([...refusals.map((refusal) => refusal.provider), provider]).toEqual(['tensorrt', 'cuda', 'cpu'].slice(0, refusals.length + 1));
  for (const refusal of refusals) {
    expect(refusal.reason.length).toBeGreaterThan(10);
    expect(bench.lines).toContainEqual(expect.objectContaining({ ...refusal, msg: 'execution provider refused' }));
  }
  expect(bench.lines).toContainEqual(expect.objectContaining({ msg: 'model loaded', bundle: 'ladder', provider }));
  expect((await engine.run(job, filled(2), soon(), 'none')).score).toBe(2);
});

describe('a slow model', () => {
  const engine = bench.engine();
  let job = 0;
  beforeAll(async () => {
    ({ job } = await engine.load(slowBundle(bench.dir), null));
  });

  test('does not stop the main thread', async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await engine.run(job, filled(0.1, slowCount), soon(), 'full');
    clearInterval(timer);
    // On the main thread it would have been none: run() is one native call.
    expect(ticks).toBeGreaterThan(10);
  });

  test('past its deadline: 402 at once, its late answer is nobody else’s', async () => {
    let done = false;
    const late = wireOf(engine.run(job, filled(9, slowCount), systemClock.now() + 5, 'none')).then((wire) => {
      expect(done).toBe(false);
      return wire;
    });
    const next = engine.run(job, filled(0.25, slowCount), soon(), 'none').then((found) => {
      done = true;
      return found;
    });
    expect(await late).toBe(Code.tooLate);
    expect((await next).score).toBeCloseTo(0.25);
  });

  test('a call whose deadline passes in the queue is never begun', async () => {
    const before = engine.run(job, filled(0.1, slowCount), soon(), 'none');
    const queued = filled(0.2, slowCount);
    expect(await wireOf(engine.run(job, queued, systemClock.now() - 1, 'none'))).toBe(Code.tooLate);
    await before;
    await engine.run(job, filled(0.1, slowCount), soon(), 'none');
    expect(queued.data).toHaveLength(slowCount); // it was not moved to the worker
  });

  test('a worker that dies with a call before it: that call rejects, the next is served by one that proved itself', async () => {
    const restarts = engine.restarts;
    const first = engine.run(job, filled(0.1, slowCount), soon(), 'none');
    threadOf(engine).postMessage({ id: 0, method: 'quit', args: null }); // it dies after this run
    const orphan = wireOf(engine.run(job, filled(0.2, slowCount), soon(), 'none'));
    const waiting = engine.run(job, filled(0.3, slowCount), soon(), 'none');
    expect((await first).score).toBeCloseTo(0.1);
    expect(await orphan).toBe(Code.notANumber);
    expect((await waiting).score).toBeCloseTo(0.3);
    expect(engine.restarts).toBe(restarts + 1);
    expect(bench.lines).toContainEqual(expect.objectContaining({ level: 50, msg: expect.stringContaining('worker died') as string }));
  });

  test('a worker that hangs is abandoned and replaced; it ends by itself when its call returns', async () => {
    const hasty = bench.engine({ hang: 30, ping: 60_000 });
    const loaded = await hasty.load(slowBundle(bench.dir), null);
    const hung = hasty.run(loaded.job, filled(0.1, slowCount), soon(), 'none');
    await expect(hung).rejects.toThrow('no sign of life for 0.03 s');
    expect(hasty.ending).toBe(1);
    const { job: next } = await hasty.load(bundleOf(bench.dir, 'quick'), null);
    expect((await hasty.run(next, filled(0.5), soon(), 'none')).score).toBe(0.5);
    expect(hasty.restarts).toBe(1);
    while (hasty.ending > 0) await sleep(20);
  });

  test('a restart that fails: calls reject with 401 and the reason, and it is tried again', async () => {
    const fragile = bench.engine();
    const bundle = bundleOf(bench.dir, 'fragile');
    const loaded = await fragile.load(bundle, null);
    writeFileSync(bundle.modelPath, 'broken meanwhile');
    await threadOf(fragile).terminate(); // idle: nothing native runs in it
    expect(await wireOf(fragile.run(loaded.job, filled(1), soon(), 'none'))).toBe(Code.providerLost);
    bundleOf(bench.dir, 'fragile');
    let score: number | null = null;
    while (score === null) {
      await sleep(50);
      score = await fragile.run(loaded.job, filled(1), soon(), 'none').then(
        (found) => found.score,
        () => null,
      );
    }
    expect(score).toBe(1);
    expect(fragile.restarts).toBeGreaterThanOrEqual(2);
  });

  test('signs of life go on while idle', async () => {
    const lively = bench.engine({ ping: 5 });
    const first = lively.alive();
    while (lively.alive() === first) await sleep(5);
    expect(lively.alive()).toBeGreaterThan(first);
  });

  test('stop in mid-run ends by its deadline; what waits is told', async () => {
    const busy = bench.engine();
    const loaded = await busy.load(slowBundle(bench.dir), null);
    const runs = [1, 2, 3].map((value) => busy.run(loaded.job, filled(value, slowCount), soon(), 'none').catch((error: Error) => error));
    await busy.stop(soon(1));
    for (const run of await Promise.all(runs)) expect(run).toMatchObject({ code: 'ABORTED' });
  });
});
