import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bundle } from '../../src/bundle/manifest';
import { VerdictdError } from '../../src/errors';
import { buildFlags, findTrtexec } from '../../src/inspect/trtexec';
import { lockFile } from '../../src/native';
import { bordersOf } from '../../src/onnx/wrap';
import { bundleOf } from './models';
import { alive, type Behaviour, FakeRig } from './rig';

const dir = mkdtempSync(join(tmpdir(), 'verdictd-engines-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let last = 0;
function rig(changes?: { model?: string; tensorrt?: string }): FakeRig {
  const folder = join(dir, `rig-${++last}`);
  mkdirSync(folder);
  return new FakeRig(folder, changes);
}

const bundle = bundleOf(dir, 'tiny');
const message = async (promise: Promise<unknown>): Promise<string> =>
  await promise.then(
    () => {
      throw new Error('expected a refusal');
    },
    (error: Error) => error.message,
  );
const leftovers = (at: FakeRig) => readdirSync(join(at.dir, 'cache/tensorrt')).filter((name) => name.endsWith('.part'));

describe('a trtexec that', () => {
  test.each<[Behaviour, string]>([
    ['fails', 'trtexec failed (exit code 1): [E] [TRT] ModelImporter.cpp: parse failed'],
    ['killed', 'trtexec was killed (SIGKILL): &&&& RUNNING TensorRT.trtexec'],
    ['crashes', 'trtexec was killed (SIGABRT)'],
    ['writes nothing', 'trtexec said it was done, but wrote no engine'],
    ['writes an empty file', 'trtexec said it was done, but wrote no engine'],
    ['makes a folder', 'trtexec said it was done, but wrote no engine'],
    ['makes a link', 'trtexec said it was done, but wrote no engine'],
    ['fills the disk', 'No space left on device); free some space'],
  ])('%s gives a reason and no entry', async (how, expected) => {
    const at = rig();
    at.behave(how);
    const cache = at.cache();
    expect(await message(cache.entry(bundle))).toContain(expected);
    expect(leftovers(at)).toEqual([]);
    expect(readdirSync(join(at.dir, 'cache/tensorrt')).filter((name) => /^[0-9a-f]{64}$/.test(name))).toEqual([]);
    // Minutes on a rig: not again in this process, unless there was no room.
    at.behave('ok');
    if (how === 'fills the disk') expect((await cache.entry(bundle)).fresh).toBe(true);
    else expect(await message(cache.entry(bundle))).toContain(expected);
    expect((await at.cache().entry(bundle)).fresh).toBe(how !== 'fills the disk');
  });

  test('hangs is ended at the limit, with what it started', async () => {
    const at = rig();
    at.behave('hangs');
    expect(await message(at.cache({ timeout: 1000 }).entry(bundle))).toBe(
      'trtexec took longer than 1 s and was ended; it last said: &&&& RUNNING TensorRT.trtexec [TensorRT v100300] | [I] tactic 7 of 900',
    );
    for (const pid of at.pids) expect(alive(pid)).toBe(false);
    expect(leftovers(at)).toEqual([]);
  });

  test('hangs is ended by the signal, and that is no failure', async () => {
    const at = rig();
    at.behave('hangs');
    const cache = at.cache();
    const stop = new AbortController();
    const entry = cache.entry(bundle, stop.signal);
    const settled = entry.catch((thrown: unknown) => thrown);
    while (!at.lines.some((line) => String(line.trtexec).includes('tactic'))) await new Promise((next) => setTimeout(next, 20));
    stop.abort();
    expect(await settled).toMatchObject({ code: 'ABORTED' });
    for (const pid of at.pids) expect(alive(pid)).toBe(false);
    at.behave('ok');
    expect((await cache.entry(bundle)).fresh).toBe(true);
    expect(await cache.entry(bundle, AbortSignal.abort()).then((known) => known.fresh)).toBe(false); // nothing to wait for
  });

  test('floods its output without a line end costs no memory', async () => {
    const at = rig();
    at.behave('floods');
    const before = process.memoryUsage().rss;
    await at.cache().entry(bundle);
    expect(process.memoryUsage().rss - before).toBeLessThan(30e6); // of 40 MB printed
    for (const line of at.lines) expect(String(line.trtexec ?? '').length).toBeLessThanOrEqual(500);
  });

  test('is no program, is missing, or could have been changed by others', async () => {
    const at = rig();
    const entry = () => message(at.cache().entry(bundle));
    chmodSync(at.trtexec, 0o644);
    expect(await entry()).toContain(process.getuid?.() === 0 ? 'is not a program that this user may run' : 'is not a program');
    chmodSync(at.trtexec, 0o777);
    expect(await entry()).toContain('can be written by others (mode 0777)');
    writeFileSync(at.trtexec, 'no shebang, no ELF');
    chmodSync(at.trtexec, 0o755);
    expect(await entry()).toMatch(/trtexec (could not be started|failed)/);
    rmSync(at.trtexec);
    expect(await entry()).toContain('is missing');
    expect(() => findTrtexec(null, '', [join(at.dir, 'nowhere')])).toThrow(/trtexec is not in .*nowhere.*install libnvinfer-bin/);
    expect(() => findTrtexec('trtexec')).toThrow('not an absolute path');
    expect(() => findTrtexec(null, '.:bin', [])).toThrow('trtexec is not in');
  });
});

describe('what it is asked for', () => {
  test('model, engine, memory, precision; and it sees no secret', async () => {
    const at = rig();
    process.env.VERDICTD_TEST_SECRET = 'hidden';
    await at.cache({ workspace: 512 }).entry(bundle);
    delete process.env.VERDICTD_TEST_SECRET;
    const [{ args, env } = { args: [], env: [] }] = at.calls;
    expect(args).toEqual([
      `--onnx=${bundle.modelPath}`,
      expect.stringMatching(/^--saveEngine=.*\.part\/model\.engine$/),
      expect.stringMatching(/^--timingCacheFile=.*\/timing-[0-9a-f]{16}\.cache$/),
      '--noTF32',
      '--memPoolSize=workspace:512',
      '--skipInference',
    ]);
    expect(env).not.toContain('VERDICTD_TEST_SECRET');
  });

  test('half precision where the bundle or the configuration says so', async () => {
    const half: Bundle = { ...bundle, manifest: { ...bundle.manifest, settings: { precision: 'fp16' } } };
    const at = rig();
    await at.cache().entry(half);
    await at.cache({ precision: 'fp16' }).entry(bundle); // the same engine
    await at.cache({ precision: 'tf32' }).entry(bundle);
    await at.cache({ precision: 'fp32' }).entry(half);
    expect(at.calls.map(({ args }) => args[3])).toEqual(['--fp16', '--memPoolSize=workspace:1024', '--noTF32']);
    expect(buildFlags({ precision: 'tf32', workspace: 1 })).not.toContain('--noTF32');
  });

  test('progress is told before it begins, and the result kept', async () => {
    const at = rig();
    const entry = await at.cache().entry(bundle);
    expect(at.progress[0]).toBe('building the TensorRT engine: 0 s of at most 60 s');
    expect(entry.fresh).toBe(true);
    expect(bordersOf(entry.wrapper)).toEqual(bordersOf(bundle.modelPath));
    expect(readFileSync(join(entry.dir, 'model.engine'))).toEqual(readFileSync(bundle.modelPath));
    const modes = [entry.dir, join(entry.dir, '..'), join(entry.dir, '../..')].map((path) => statSync(path).mode & 0o777);
    expect(modes).toEqual([0o700, 0o700, 0o700]);
  });
});

describe('the key', () => {
  test('is the same for the same, in another process too', async () => {
    const at = rig();
    const first = await at.cache().entry(bundle);
    const second = await at.cache().entry(bundle);
    expect(second).toEqual({ ...first, fresh: false });
    expect(at.calls).toHaveLength(1);
  });

  const base = async () => {
    const at = rig();
    return { at, first: await at.cache().entry(bundle) };
  };
  const changes: [string, (at: FakeRig) => void][] = [
    [
      'TensorRT',
      (at) => {
        at.put('usr/lib/aarch64-linux-gnu/libnvinfer.so.10.7.0', '');
        rmSync(join(at.root, 'usr/lib/aarch64-linux-gnu/libnvinfer.so.10'));
        symlinkSync('libnvinfer.so.10.7.0', join(at.root, 'usr/lib/aarch64-linux-gnu/libnvinfer.so.10'));
      },
    ],
    ['trtexec', (at) => writeFileSync(at.trtexec, `${readFileSync(at.trtexec, 'utf8')}\n// another build`)],
    ['the board', (at) => at.put('proc/device-tree/model', 'NVIDIA Jetson AGX Orin\0')],
    ['the chip', (at) => at.put('proc/device-tree/compatible', 'nvidia,tegra194\0')],
    ['L4T', (at) => at.put('etc/nv_tegra_release', '# R36 (release), REVISION: 4.4\n')],
    ['the driver', (at) => at.put('proc/driver/nvidia/version', 'NVRM version: 540.5.0\n')],
  ];
  test.each(changes)('is another for another of %s', async (_, change) => {
    const { at, first } = await base();
    change(at);
    const second = await at.cache().entry(bundle);
    expect(second.fresh).toBe(true);
    expect(second.key).not.toBe(first.key);
  });

  test('is another for another model or another workspace, not for another manifest', async () => {
    const { at, first } = await base();
    const other = bundleOf(dir, 'tiny-2', { probabilities: true });
    expect((await at.cache().entry(other)).key).not.toBe(first.key);
    expect((await at.cache({ workspace: 2048 }).entry(bundle)).key).not.toBe(first.key);
    expect((await at.cache().entry({ ...bundle, sha256: 'f'.repeat(64) })).key).toBe(first.key);
  });

  test('a machine whose GPU cannot be told gets no engine', async () => {
    const at = rig();
    rmSync(join(at.root, 'proc'), { recursive: true });
    expect(await message(at.cache().entry(bundle))).toContain('the GPU cannot be told');
  });
});

describe('an entry that is not whole is built again', () => {
  const edit = (name: string, change: (bytes: Buffer) => Buffer | string) => (entry: string) =>
    writeFileSync(join(entry, name), change(readFileSync(join(entry, name))));
  const flip = (at: (length: number) => number) => (bytes: Buffer) => {
    const copy = Buffer.from(bytes);
    const i = at(copy.length);
    copy[i] = (copy[i] ?? 0) ^ 1;
    return copy;
  };
  const json = (change: Record<string, unknown>) => (bytes: Buffer) =>
    JSON.stringify({ ...(JSON.parse(bytes.toString()) as object), ...change });
  const corruptions: [string, (entry: string) => void][] = [
    [
      'first bit of the engine',
      edit(
        'model.engine',
        flip(() => 0),
      ),
    ],
    [
      'a bit in its middle',
      edit(
        'model.engine',
        flip((n) => n >> 1),
      ),
    ],
    [
      'its last bit',
      edit(
        'model.engine',
        flip((n) => n - 1),
      ),
    ],
    ['an engine cut short', (entry) => truncateSync(join(entry, 'model.engine'), 100)],
    ['an empty engine', (entry) => truncateSync(join(entry, 'model.engine'), 0)],
    ['a longer engine', edit('model.engine', (bytes) => Buffer.concat([bytes, Buffer.from('x')]))],
    ['no engine', (entry) => rmSync(join(entry, 'model.engine'))],
    [
      'an engine that is a link',
      (entry) => {
        cpSync(join(entry, 'model.engine'), join(entry, 'elsewhere'));
        rmSync(join(entry, 'model.engine'));
        symlinkSync('elsewhere', join(entry, 'model.engine'));
      },
    ],
    [
      'an engine that is a folder',
      (entry) => {
        rmSync(join(entry, 'model.engine'));
        mkdirSync(join(entry, 'model.engine'));
      },
    ],
    ['an engine that others can write', (entry) => chmodSync(join(entry, 'model.engine'), 0o666)],
    [
      'a bit of the wrapper',
      edit(
        'model.onnx',
        flip((n) => n >> 1),
      ),
    ],
    ['no wrapper', (entry) => rmSync(join(entry, 'model.onnx'))],
    ['a wrapper of another engine', edit('model.onnx', () => readFileSync(bundle.modelPath))],
    ['no entry.json', (entry) => rmSync(join(entry, 'entry.json'))],
    ['an entry.json cut short', (entry) => truncateSync(join(entry, 'entry.json'), 40)],
    ['an empty entry.json', (entry) => truncateSync(join(entry, 'entry.json'), 0)],
    ['an entry.json of another key', edit('entry.json', json({ key: 'a'.repeat(64) }))],
    ['an entry.json of another format', edit('entry.json', json({ format: 2 }))],
    ['an entry.json with more in it', edit('entry.json', json({ plugin: '/tmp/evil.so' }))],
    ['a folder that others can write', (entry) => chmodSync(entry, 0o777)],
    [
      'a file in place of the folder',
      (entry) => {
        rmSync(entry, { recursive: true });
        writeFileSync(entry, '');
      },
    ],
    [
      'a link in place of the folder',
      (entry) => {
        cpSync(entry, `${entry}-moved`, { recursive: true });
        chmodSync(`${entry}-moved`, 0o777);
        rmSync(entry, { recursive: true });
        symlinkSync(`${entry}-moved`, entry);
      },
    ],
  ];
  test.each(corruptions)('%s', async (_, corrupt) => {
    const at = rig();
    const { dir: entry } = await at.cache().entry(bundle);
    corrupt(entry);
    expect((await at.cache().entry(bundle)).fresh).toBe(true);
    expect(at.lines.at(-1)).toMatchObject({ msg: 'TensorRT engine built' });
    expect(at.lines.some((line) => String(line.msg).includes('refused; it is built again'))).toBe(true);
    expect((await at.cache().entry(bundle)).fresh).toBe(false);
    expect(at.calls).toHaveLength(2);
  });

  test('one of another owner', async () => {
    if (process.getuid?.() !== 0) {
      console.warn('skipped: giving a file to another user needs root');
      return;
    }
    const at = rig();
    const { dir: entry } = await at.cache().entry(bundle);
    chownSync(join(entry, 'model.engine'), 12345, 12345);
    expect((await at.cache().entry(bundle)).fresh).toBe(true);
  });
});

describe('the folder', () => {
  test('others can write in is refused', async () => {
    const at = rig();
    mkdirSync(join(at.dir, 'cache'), { mode: 0o700 });
    chmodSync(join(at.dir, 'cache'), 0o770);
    expect(await message(at.cache().entry(bundle))).toMatch(/^the cache cannot be used: .* can be written by others \(mode 0770\)/);
    expect(at.calls).toHaveLength(0);
  });

  test('that cannot be made is refused', async () => {
    const at = rig();
    expect(await message(at.cache({ dir: '/proc/verdictd-cache' }).entry(bundle))).toContain('the cache cannot be used');
    writeFileSync(join(at.dir, 'file'), '');
    expect(await message(at.cache({ dir: join(at.dir, 'file') }).entry(bundle))).toContain('the cache cannot be used');
  });

  test('on a full disk gives a reason before trtexec runs; other engines make room first', async () => {
    const at = rig();
    const older = bundleOf(dir, 'older', { side: 16 });
    await at.cache().entry(older);
    const entries = () => readdirSync(join(at.dir, 'cache/tensorrt')).filter((name) => /^[0-9a-f]{64}$/.test(name)).length;
    expect(entries()).toBe(1);
    expect(await message(at.cache({}, { free: () => Promise.resolve(10 * 2 ** 20) }).entry(bundle))).toMatch(
      /^the disk of .* has 10 MiB free; an engine of this model needs 64 MiB$/,
    );
    expect(at.calls).toHaveLength(1);
    expect(entries()).toBe(0);
  });

  test('keeps the two engines used last beside a new one', async () => {
    const at = rig();
    const made = [];
    for (let i = 0; i < 4; i++) {
      const entry = await at.cache().entry(bundleOf(dir, `kept-${i}`, { side: 8 + 8 * i }));
      made.push(entry.key);
      utimesSync(entry.dir, 1000 + i, i === 0 ? 5000 : 1000 + i); // the first was used last
    }
    const names = readdirSync(join(at.dir, 'cache/tensorrt'));
    expect(made.map((key) => names.includes(key))).toEqual([true, false, true, true]);
  });

  test('leftovers of a build that died are removed', async () => {
    const at = rig();
    await at.cache().entry(bundle);
    const stale = join(at.dir, 'cache/tensorrt', `${'b'.repeat(64)}.0badcafe.part`);
    mkdirSync(stale);
    writeFileSync(join(stale, 'model.engine'), 'half');
    await at.cache({ workspace: 77 }).entry(bundle);
    expect(leftovers(at)).toEqual([]);
  });
});

describe('two at once', () => {
  test('one builds, the other takes the result', async () => {
    const at = rig();
    at.behave('slow');
    const entries = await Promise.all([at.cache().entry(bundle), at.cache().entry(bundle), at.cache().entry(bundle)]);
    expect(entries.filter(({ fresh }) => fresh)).toHaveLength(1);
    expect(at.calls).toHaveLength(1);
    expect(at.progress).toContain('another verdictd builds a TensorRT engine; waiting for it');
  });

  test('waiting ends by the signal, and by the limit', async () => {
    const at = rig();
    await at.cache().entry(bundle);
    const lock = lockFile(join(at.dir, 'cache/tensorrt/lock'));
    const stop = new AbortController();
    const waiting = at.cache({ workspace: 3 }).entry(bundle, stop.signal);
    setTimeout(() => stop.abort(), 50);
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await message(at.cache({ workspace: 3, timeout: 100 }).entry(bundle))).toContain('another verdictd holds');
    lock?.close();
    expect((await at.cache({ workspace: 3 }).entry(bundle)).fresh).toBe(true);
    expect(new VerdictdError('ABORTED', '').exitCode).toBe(1);
  });
});
