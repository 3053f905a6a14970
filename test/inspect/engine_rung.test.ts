import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Bundle } from '../../src/bundle/manifest';
import { VerdictdError } from '../../src/errors';
import type { Entry } from '../../src/inspect/engine_cache';
import { type Engines, tryEngine } from '../../src/inspect/engine_rung';
import type { LoadArgs, Loaded } from '../../src/inspect/protocol';
import { mul } from '../../src/onnx/ops';
import { packageRoot } from '../../src/package';
import { Bench, bundleOf } from './models';
import { alive, type Behaviour, FakeRig } from './rig';

const bench = new Bench();
const dir = mkdtempSync(join(tmpdir(), 'verdictd-rung-'));
afterAll(async () => {
  await bench.close();
  rmSync(dir, { recursive: true, force: true });
});

let last = 0;
function rig(): FakeRig {
  const folder = join(dir, `rig-${++last}`);
  mkdirSync(folder);
  return new FakeRig(folder);
}

const bundle = bundleOf(dir, 'tiny');

describe('before the worker is asked for a session', () => {
  const args = { providers: ['tensorrt', 'cpu'], refused: [], engine: null } as unknown as LoadArgs;
  const loaded = { provider: 'tensorrt', rung: 'tensorrt-engine' } as Loaded;
  const fresh: Entry = { key: 'k', dir: '/cache/k', wrapper: '/cache/k/model.onnx', fresh: true };
  /** What the worker answers in turn, and what the cache gives in turn. */
  function fakes(answers: (Loaded | { refused: string })[], entries: (Entry | Error)[], unfit: string | null = null) {
    const done: string[] = [];
    const engines: Engines = {
      entry: () => {
        done.push('entry');
        const next = entries.shift();
        return next instanceof Error || next === undefined ? Promise.reject(next ?? new Error('too many')) : Promise.resolve(next);
      },
      discard: (_, why) => {
        done.push(`discard: ${why}`);
        return Promise.resolve();
      },
    };
    const worker = {
      probe: () => Promise.resolve(unfit),
      loadEngine: (given: LoadArgs) => {
        done.push(`load ${given.engine} on ${given.providers.join()}`);
        const answer = answers.shift();
        return answer === undefined ? Promise.reject(new Error('too many')) : Promise.resolve(answer);
      },
    };
    return { done, run: () => tryEngine(worker, args, engines, bundle) };
  }
  const refusedFor = (reason: string) => ({ rest: { ...args, refused: [{ provider: 'tensorrt-engine', reason }] } });

  test('a provider that does not load costs no build', async () => {
    const { done, run } = fakes([], [], 'libonnxruntime_providers_tensorrt.so is not on this machine');
    expect(await run()).toEqual(refusedFor('libonnxruntime_providers_tensorrt.so is not on this machine'));
    expect(done).toEqual([]);
  });

  test('no engine to be had: the reason goes with the rest of the ladder', async () => {
    expect(await fakes([], [new Error('trtexec failed')]).run()).toEqual(refusedFor('trtexec failed'));
  });

  test('a stop is passed on', async () => {
    await expect(fakes([], [new VerdictdError('ABORTED', 'stopped')]).run()).rejects.toMatchObject({ code: 'ABORTED' });
  });

  test('one just built that is refused is not built again', async () => {
    const { done, run } = fakes([{ refused: 'the golden image scored 7' }], [fresh]);
    expect(await run()).toEqual(refusedFor('the golden image scored 7'));
    expect(done).toEqual(['entry', 'load /cache/k/model.onnx on tensorrt-engine,tensorrt,cpu', 'discard: the golden image scored 7']);
  });

  test('one from the cache that is refused is built again, once', async () => {
    const { done, run } = fakes([{ refused: 'could not deserialize' }, loaded], [{ ...fresh, fresh: false }, fresh]);
    expect(await run()).toMatchObject({ loaded });
    expect(done.filter((what) => what === 'entry')).toHaveLength(2);
  });

  test('a cache that cannot remove its entry is no endless loop', async () => {
    const stale = { ...fresh, fresh: false };
    const { run } = fakes([{ refused: 'no' }, { refused: 'no again' }], [stale, stale, stale]);
    expect(await run()).toEqual(refusedFor('no again'));
  });
});

test('on this machine, without TensorRT: refused by its library, nothing is built, the CPU runs', async () => {
  const at = rig();
  const engine = bench.engine({ providers: ['tensorrt', 'cpu'] }, { engines: at.cache() });
  const { provider, rung, refusals } = await engine.load(bundle, null);
  expect({ provider, rung }).toEqual({ provider: 'cpu', rung: 'cpu' });
  expect(refusals.map((one) => one.provider)).toEqual(['tensorrt-engine', 'tensorrt']);
  for (const { reason } of refusals) {
    expect(reason).toMatch(/libonnxruntime_providers_tensorrt\.so, or a library it needs, is not on|not compiled into this onnxruntime/);
  }
  expect(at.calls).toHaveLength(0);
});

test('without tensorrt at its head, the ladder has no such rung', async () => {
  const at = rig();
  const engine = bench.engine({ providers: ['cpu'] }, { engines: at.cache() });
  expect((await engine.load(bundle, null)).refusals).toEqual([]);
});

interface Told {
  told: (Partial<Loaded> & {
    score?: number;
    code?: string;
    message?: string;
    ticks?: number;
    signs?: number;
    loading?: string;
    ending?: number;
  })[];
  progress: string[];
}

/** The whole way, in another process: engine, worker, cache and trtexec are real or real programs; TensorRT itself is played. */
function station(
  at: FakeRig,
  steps: (number | string)[],
  changes: { bundles?: Bundle[]; env?: Record<string, string>; timeout?: number } = {},
): Told {
  const job = {
    root: packageRoot,
    bundles: changes.bundles ?? [bundle],
    providers: ['tensorrt', 'cpu'],
    cache: {
      dir: join(at.dir, 'cache'),
      trtexec: at.trtexec,
      precision: 'bundle',
      workspace: 256,
      timeout: changes.timeout ?? 60_000,
      root: at.root,
    },
    pids: join(dirname(at.trtexec), 'pids'),
    steps,
  };
  const here = join(packageRoot, 'test/inspect');
  const child = [join(here, 'engine_child.cjs'), JSON.stringify(job)];
  const env = { ...process.env, ...changes.env };
  const output = execFileSync(process.execPath, ['-r', join(here, 'fake_tensorrt.cjs'), ...child], {
    env,
    encoding: 'utf8',
    timeout: 60_000,
  });
  return JSON.parse(output) as Told;
}

const onEngine = { provider: 'tensorrt', rung: 'tensorrt-engine', refusals: [], score: 0.25 };

describe('with a TensorRT that is played', () => {
  test('the first start builds, the next ones load; a worker that dies comes back on the engine', () => {
    const at = rig();
    expect(station(at, [0, 0, 'kill']).told).toMatchObject([onEngine, onEngine, { provider: 'tensorrt', rung: 'tensorrt-engine' }]);
    expect(station(at, [0]).told).toMatchObject([onEngine]);
    expect(at.calls).toHaveLength(1);
  });

  test('while it builds, the main thread runs on and the worker shows signs of life', () => {
    const at = rig();
    at.behave('slow'); // 1.5 s
    const { told, progress } = station(at, [0]);
    expect(told).toMatchObject([onEngine]);
    expect(told[0]?.ticks).toBeGreaterThan(10); // of 75
    expect(told[0]?.signs).toBeGreaterThan(3); // of 15
    expect(progress[0]).toMatch(/^building the TensorRT engine: 0 s of at most 60 s/);
  });

  test('another bundle gets another engine, going back takes no build', () => {
    const at = rig();
    const other = bundleOf(dir, 'with-probabilities', { probabilities: true });
    expect(station(at, [0, 1, 0], { bundles: [bundle, other] }).told).toMatchObject([onEngine, onEngine, onEngine]);
    expect(at.calls).toHaveLength(2);
  });

  test.each<[Behaviour, RegExp]>([
    ['fails', /^trtexec failed \(exit code 1\)/],
    ['killed', /^trtexec was killed \(SIGKILL\)/],
    ['writes nothing', /^trtexec said it was done/],
    ['writes a bad engine', /could not deserialize engine/],
    ['writes another engine', /^the golden image scored 5; expected 0\.5 within/],
    ['fills the disk', /^the disk of .* is full/],
  ])('a trtexec that %s: plain TensorRT, and the reason', (how, reason) => {
    const at = rig();
    copyFileSync(another.modelPath, join(dirname(at.trtexec), 'another.onnx'));
    at.behave(how);
    const { told } = station(at, [0]);
    expect(told).toMatchObject([{ provider: 'tensorrt', rung: 'tensorrt', refusals: [{ provider: 'tensorrt-engine' }], score: 0.25 }]);
    expect(told[0]?.refusals?.[0]?.reason).toMatch(reason);
    const kept = readdirSync(join(at.dir, 'cache/tensorrt')).filter((name) => /^[0-9a-f]{64}/.test(name));
    expect(kept).toEqual([]);
  });

  test('one that hangs: ended at the limit, plain TensorRT runs', () => {
    const at = rig();
    at.behave('hangs');
    const { told } = station(at, [0], { timeout: 1000 });
    expect(told).toMatchObject([{ provider: 'tensorrt', rung: 'tensorrt' }]);
    expect(told[0]?.refusals?.[0]?.reason).toContain('trtexec took longer than 1 s and was ended');
  });

  test('no rung of TensorRT holds: the CPU, and both reasons', () => {
    const at = rig();
    at.behave('fails');
    const { told } = station(at, [0, 0], { env: { FAKE_TENSORRT_PLAIN: 'refuses' } });
    const reasons = [{ provider: 'tensorrt-engine' }, { provider: 'tensorrt', reason: 'TensorRT EP failed to create engine' }];
    expect(told).toMatchObject([
      { provider: 'cpu', refusals: reasons },
      { provider: 'cpu', refusals: reasons },
    ]);
    expect(at.calls).toHaveLength(1); // the second load does not try again
  });

  test('an engine that the runtime refuses though its bytes are right is built again', async () => {
    const at = rig();
    at.behave('writes a bad engine');
    await at.cache({ workspace: 256 }).entry(bundle); // nothing loads it yet
    at.behave('ok');
    expect(station(at, [0]).told).toMatchObject([onEngine]);
    expect(at.calls).toHaveLength(2);
  });

  test('a file called model.engine in a bundle is not looked at', () => {
    const at = rig();
    const folder = join(dir, 'bundle-with-engine');
    mkdirSync(folder);
    const foreign = bundleOf(folder, 'model');
    writeFileSync(join(folder, 'model.engine'), 'a program of somebody else');
    at.behave('ok');
    expect(station(at, [0], { bundles: [foreign] }).told).toMatchObject([onEngine]);
    expect(at.calls).toHaveLength(1);
  });

  test('a stop while it builds ends trtexec and leaves no thread behind', () => {
    const at = rig();
    at.behave('hangs');
    expect(station(at, ['stop while it builds']).told).toEqual([{ loading: 'ABORTED', ending: 0 }]);
    for (const pid of at.pids) expect(alive(pid)).toBe(false);
  });
});

/** Ten times the input's mean as its score: 5 on the golden image. */
const another = bundleOf(dir, 'another', { score: (x) => mul(x, 10) });
