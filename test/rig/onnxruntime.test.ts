import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bindingFile, checkedOrtDir, installedVersion, libraryFile } from '../../src/inspect/ort_dir';
import { packageRoot } from '../../src/package';
import { type Deps, install, type Options, readOptions, smokeTest, UsageError } from '../../src/rig/onnxruntime';
import { lookFor, type Wanted } from '../../src/rig/requirements';

const dir = mkdtempSync(join(tmpdir(), 'verdictd-rig-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const version = installedVersion();
const own = join(packageRoot, 'node_modules/onnxruntime-node/bin/napi-v6/linux', process.arch);
let last = 0;
function folder(files: Record<string, string | Buffer> = {}): string {
  const at = join(dir, `f${++last}`);
  mkdirSync(at);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(at, name, '..'), { recursive: true });
    writeFileSync(join(at, name), text);
  }
  return at;
}

/** What a library of this machine begins with; `symbols` follow. */
function elf(symbols = '', machine = process.arch === 'arm64' ? 183 : 62): Buffer {
  const header = Buffer.alloc(64);
  header.writeUInt32BE(0x7f454c46, 0);
  header.set([2, 1], 4);
  header.writeUInt16LE(machine, 18);
  return Buffer.concat([header, Buffer.from(`\0${symbols}\0`)]);
}

const sourceTree = (number = version): string =>
  folder({
    VERSION_NUMBER: `${number}\n`,
    'js/node/CMakeLists.txt': '',
    'js/node/src/a.cc': '',
    'include/onnxruntime/core/session/onnxruntime_cxx_api.h': '',
    'onnxruntime/core/x.h': '',
  });
const providers = ['shared', 'cuda', 'tensorrt'].map((kind) => `libonnxruntime_providers_${kind}.so`);
const libraries = (changes: Record<string, Buffer | string | null> = {}): string => {
  const files: Record<string, Buffer | string | null> = { [libraryFile]: elf(`VERS_${version}`) };
  for (const name of providers) files[name] = elf();
  const wanted = Object.entries({ ...files, ...changes }).filter((entry): entry is [string, Buffer | string] => entry[1] !== null);
  return folder(Object.fromEntries(wanted));
};
const headers = folder({ 'node_api.h': '' });
/** A PATH with the tools named, as far as their names go. */
const tools = (...names: string[]): string => {
  const at = folder(Object.fromEntries(names.map((name) => [name, ''])));
  for (const name of names) chmodSync(join(at, name), 0o755);
  return at;
};

function wanted(changes: Partial<Wanted> = {}): Wanted {
  const searched = tools('cmake', 'g++', 'make');
  return {
    version,
    packageRoot,
    source: sourceTree(),
    libs: libraries(),
    nodeHeaders: headers,
    provider: 'tensorrt',
    searched,
    ...changes,
  };
}

describe('what is missing is said, each with what to do', () => {
  const cases: [string, () => Partial<Wanted>, RegExp][] = [
    ['no cmake', () => ({ searched: tools('g++', 'make') }), /^cmake is not on the PATH: apt-get install cmake/],
    ['no compiler', () => ({ searched: tools('cmake', 'make') }), /^g\+\+ is not on the PATH/],
    ['no make', () => ({ searched: tools('cmake', 'g++') }), /^make is not on the PATH/],
    ['no source given', () => ({ source: null }), /^onnxruntime's source is not given: git clone --depth 1 -b v\d/],
    ['source is nowhere', () => ({ source: '/nowhere' }), /^\/nowhere is missing: git clone/],
    ['another folder as source', () => ({ source: folder() }), /is not onnxruntime's source \(no js\/node\/CMakeLists\.txt/],
    ['source of another version', () => ({ source: sourceTree('1.25.1') }), /is onnxruntime 1\.25\.1; onnxruntime-node is /],
    ['no libraries given', () => ({ libs: null }), /^the libraries for this machine are not given: --libs DIR/],
    ['no libonnxruntime', () => ({ libs: libraries({ [libraryFile]: null }) }), /has no libonnxruntime\.so\.1 and no libonnxruntime\.so/],
    [
      'libraries without TensorRT',
      () => ({ libs: libraries({ 'libonnxruntime_providers_tensorrt.so': null }) }),
      /has no libonnxruntime_providers_tensorrt\.so: onnxruntime was built without/,
    ],
    [
      'a library of another version',
      () => ({ libs: libraries({ [libraryFile]: elf('VERS_1.23.2') }) }),
      /is onnxruntime 1\.23\.2 \(symbol VERS_1\.23\.2\); onnxruntime-node is/,
    ],
    ['a library without a version', () => ({ libs: libraries({ [libraryFile]: elf('libfoo') }) }), /has no version in its symbols/],
    ['a text file as library', () => ({ libs: libraries({ [libraryFile]: `VERS_${version}` }) }), /is not a 64 bit shared library/],
    [
      'a provider for another machine',
      () => ({ libs: libraries({ 'libonnxruntime_providers_cuda.so': elf('', 40) }) }),
      /providers_cuda\.so is for arm; this machine is/,
    ],
    ['no headers of Node', () => ({ nodeHeaders: '/nowhere' }), /^Node's headers \(node_api\.h\) are not in \/nowhere/],
    ['nothing installed', () => ({ packageRoot: folder() }), /node-addon-api\/napi\.h is missing: run npm ci/],
    [
      'a lockfile of another version',
      () => ({ packageRoot: folder({ 'package-lock.json': '{"packages":{"node_modules/onnxruntime-node":{"version":"1.30.0"}}}' }) }),
      /^package-lock\.json has onnxruntime-node 1\.30\.0, installed is/,
    ],
  ];
  test.each(cases)('%s', (_, changes, expected) => {
    const found = lookFor(wanted(changes()));
    if (!('problems' in found)) throw new Error('nothing was missed');
    expect(found.problems.some((problem) => expected.test(problem))).toBe(true);
  });

  test('everything at once', () => {
    const found = lookFor({
      version,
      packageRoot: folder(),
      source: null,
      libs: null,
      nodeHeaders: '/no',
      provider: 'tensorrt',
      searched: '',
    });
    expect('problems' in found ? found.problems : []).toHaveLength(7);
  });

  test('nothing, where all is there', () => {
    const found = lookFor(wanted());
    expect('problems' in found ? found.problems : found.libraries.map(({ name }) => name)).toEqual([libraryFile, ...providers]);
    const alike = folder({ [`libonnxruntime.so.${version}`]: elf(`VERS_${version}`) });
    expect(lookFor(wanted({ libs: alike, provider: 'cpu' }))).toMatchObject({ libraries: [{ name: libraryFile }] });
  });
});

describe('arguments', () => {
  test.each([['--provider', 'gpu'], ['--jobs', '0'], ['--jobs', 'many'], ['--source', ''], ['--unknown'], ['stray']])(
    '%s %s',
    (...args) => {
      expect(() => readOptions(args)).toThrow(UsageError);
    },
  );

  test('npm run rig:onnxruntime: usage 2, something missing 1, help 0', () => {
    const run = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [join(packageRoot, 'dist/rig/onnxruntime.js'), ...args], {
        encoding: 'utf8',
      });
      return { status, text: stdout + stderr };
    };
    expect(run('--provider', 'gpu')).toMatchObject({ status: 2, text: expect.stringContaining('expected tensorrt, cuda, cpu') as string });
    expect(run('--dry-run')).toMatchObject({
      status: 1,
      text: expect.stringContaining("missing: onnxruntime's source is not given") as string,
    });
    expect(run('--help')).toMatchObject({ status: 0, text: expect.stringContaining('--libs DIR') as string });
  });
});

describe('building and placing', () => {
  /** npm's own binding in place of one that was compiled; real libraries, so that the result runs. */
  function stage(changes: Partial<Deps> = {}, options: Partial<Options> = {}) {
    const libs = folder();
    copyFileSync(join(own, libraryFile), join(libs, 'libonnxruntime.so'));
    const said: string[] = [];
    const commands: string[][] = [];
    const packages = join(folder(), 'node_modules');
    mkdirSync(packages);
    symlinkSync(join(packageRoot, 'node_modules/node-addon-api'), join(packages, 'node-addon-api'));
    const full: Options = {
      source: sourceTree(),
      libs,
      to: join(dir, `opt${++last}`),
      provider: 'cpu',
      nodeHeaders: headers,
      jobs: 1,
      dryRun: false,
      ...options,
    };
    const deps: Deps = {
      version,
      packageRoot: join(packages, '..'),
      run: (program, args) => {
        commands.push([program, ...args]);
        const work = args[1]?.endsWith('/js/node') === true ? args[1] : null;
        if (work !== null) {
          const made = join(work, 'bin/napi-v6/linux', process.arch);
          mkdirSync(made, { recursive: true });
          copyFileSync(join(own, bindingFile), join(made, bindingFile));
        }
        return Promise.resolve();
      },
      smoke: smokeTest,
      say: (line) => said.push(line),
      ...changes,
    };
    return { said, commands, to: full.to, run: () => install(full, deps) };
  }

  test('a dry run builds nothing and places nothing', async () => {
    const { run, said, commands, to } = stage({}, { dryRun: true });
    expect(await run()).toBe(0);
    expect(commands).toEqual([]);
    expect(existsSync(to)).toBe(false);
    expect(said.some((line) => line.startsWith('would run: cmake -S <work>/js/node'))).toBe(true);
  });

  test('a build that fails, or makes nothing, places nothing', async () => {
    const fails = stage({ run: () => Promise.reject(new Error('cmake --build ended with exit code 2')) });
    expect(await fails.run()).toBe(1);
    expect(fails.said.at(-1)).toBe('failed: cmake --build ended with exit code 2');
    const nothing = stage({ run: () => Promise.resolve() });
    expect(await nothing.run()).toBe(1);
    expect(nothing.said.at(-1)).toContain(`the build ended without a fault, but made no ${bindingFile}`);
    expect([fails.to, nothing.to].map((to) => existsSync(to))).toEqual([false, false]);
  });

  test('a build that does not infer leaves what stood there', async () => {
    const { run, said, to } = stage({}, { provider: 'cpu' });
    expect(await run()).toBe(0);
    const before = statSync(join(to, version)).ino;
    const again = stage({ smoke: () => Promise.reject(new Error('no inference on tensorrt')) }, { to });
    expect(await again.run()).toBe(1);
    expect(again.said.at(-1)).toBe('failed: no inference on tensorrt');
    expect(statSync(join(to, version)).ino).toBe(before);
    expect(readdirSync(to)).toEqual([version]);
    expect(said.at(-1)).toBe(`[Service]\nEnvironment=VERDICTD_ORT_DIR=${join(to, version)}`);
  });

  test('placed files are proven by an inference in another process, and loaded by the daemon', async () => {
    const { run, to, commands } = stage();
    expect(await run()).toBe(0);
    expect(checkedOrtDir(join(to, version))).toBe(join(to, version));
    expect(readdirSync(join(to, version)).sort()).toEqual([libraryFile, bindingFile].sort());
    expect(commands.map(([program]) => program)).toEqual(['cmake', 'cmake']);
    expect(commands[0]).not.toContain('-DUSE_TENSORRT=ON');
    expect(await run()).toBe(0); // again, over itself
    expect(readdirSync(to)).toEqual([version]);
  });

  test('a provider that is not there fails the proof', async () => {
    const folderOf = stage();
    await folderOf.run();
    await expect(smokeTest(join(folderOf.to, version), 'tensorrt')).rejects.toThrow(/no inference on tensorrt with the new build/);
  });
});
