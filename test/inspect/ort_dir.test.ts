import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { libraryFacts } from '../../src/inspect/elf';
import { bindingFile, checkedOrtDir, installedVersion, libraryFile } from '../../src/inspect/ort_dir';
import { distrust } from '../../src/inspect/trusted';
import { packageRoot } from '../../src/package';

const dir = mkdtempSync(join(tmpdir(), 'verdictd-ort-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const own = join(packageRoot, 'node_modules/onnxruntime-node/bin/napi-v6/linux', process.arch);
let last = 0;

/** A folder as the rig's script leaves it: npm's own build, in another place. */
function placed(change: (folder: string) => void = () => undefined): string {
  const folder = join(dir, `ort-${++last}`);
  mkdirSync(folder);
  for (const name of [bindingFile, libraryFile]) copyFileSync(join(own, name), join(folder, name));
  change(folder);
  return folder;
}

/** The smallest thing that reads as a library of this machine: an ELF header, then the given text. */
function elf(text: string, changes: { class?: number; machine?: number } = {}): Buffer {
  const header = Buffer.alloc(64);
  header.writeUInt32BE(0x7f454c46, 0);
  header[4] = changes.class ?? 2;
  header[5] = 1;
  header.writeUInt16LE(changes.machine ?? (process.arch === 'arm64' ? 183 : 62), 18);
  return Buffer.concat([header, Buffer.from(text, 'latin1')]);
}

const replace = (name: string, bytes: Buffer | string) => (folder: string) => writeFileSync(join(folder, name), bytes);

function folderInstead(folder: string): void {
  rmSync(join(folder, libraryFile));
  mkdirSync(join(folder, libraryFile));
}

describe('what is refused', () => {
  const version = installedVersion();
  const cases: [string, (folder: string) => void, string][] = [
    ['no binding', (folder) => rmSync(join(folder, bindingFile)), 'is missing'],
    ['no library', (folder) => rmSync(join(folder, libraryFile)), 'is missing'],
    ['a text file', replace(libraryFile, `VERS_${version}\0`), 'is not a 64 bit shared library'],
    ['an empty file', replace(bindingFile, ''), 'is not a 64 bit shared library'],
    ['32 bit', replace(libraryFile, elf(`\0VERS_${version}\0`, { class: 1 })), 'is not a 64 bit shared library'],
    ['another processor', replace(libraryFile, elf(`\0VERS_${version}\0`, { machine: 40 })), 'is for arm; this is'],
    ['one that Node has no name for', replace(libraryFile, elf(`\0VERS_${version}\0`, { machine: 243 })), 'is for machine 243'],
    [
      'another version',
      replace(libraryFile, elf('\0VERS_1.23.2\0')),
      `is of onnxruntime 1.23.2; npm installed onnxruntime-node ${version}`,
    ],
    ['a binding for another version', replace(bindingFile, elf('\0VERS_1.24.4\0')), 'is of onnxruntime 1.24.4'],
    ['a longer version', replace(libraryFile, elf(`\0VERS_${version}1\0`)), `is of onnxruntime ${version}1`],
    ['no version', replace(libraryFile, elf('\0VERS_x\0 VERS_')), 'is of onnxruntime (no version in it)'],
    ['a folder in place of the library', folderInstead, 'is not a file'],
    ['a folder others write to', (folder) => chmodSync(folder, 0o775), 'can be written by others (mode 0775)'],
    ['a library others write to', (folder) => chmodSync(join(folder, libraryFile), 0o646), 'can be written by others (mode 0646)'],
  ];
  test.each(cases)('%s', (_, change, expected) => {
    const folder = placed(change);
    for (const part of [`VERDICTD_ORT_DIR=${folder} is refused: `, expected, 'npm run rig:onnxruntime']) {
      expect(() => checkedOrtDir(folder)).toThrow(part);
    }
    expect(() => checkedOrtDir(folder)).toThrow(expect.objectContaining({ code: 'PROVIDER_UNAVAILABLE' }) as Error);
  });

  test('a relative path', () => {
    expect(() => checkedOrtDir('build/ort')).toThrow('build/ort is not an absolute path');
  });

  test('a folder above that others write to', () => {
    const open = join(dir, 'open');
    mkdirSync(open);
    chmodSync(open, 0o777);
    const inside = join(open, 'ort');
    mkdirSync(inside);
    expect(distrust(inside, 'folder')).toBe(`${open} can be written by others (mode 0777); chmod go-w it`);
    const link = join(dir, 'link-to-open');
    symlinkSync(inside, link);
    expect(distrust(link, 'folder')).toContain(`${open} can be written by others`);
  });

  test('another owner', () => {
    if (process.getuid?.() !== 0) {
      console.warn('skipped: giving a file to another user needs root');
      return;
    }
    const folder = placed((at) => chownSync(join(at, bindingFile), 12345, 12345));
    expect(() => checkedOrtDir(folder)).toThrow('belongs to user 12345; expected root or user 0');
  });
});

test("npm's own build reads as what it is", () => {
  for (const name of [bindingFile, libraryFile]) {
    expect(libraryFacts(join(own, name))).toEqual({ arch: process.arch, onnxruntime: installedVersion() });
  }
  const other = join(dirname(own), process.arch === 'x64' ? 'arm64' : 'x64', libraryFile);
  expect(libraryFacts(other)).toEqual({ arch: basename(dirname(other)), onnxruntime: installedVersion() });
});

test('a version on the border of two reads is found', () => {
  const path = join(dir, 'border.so');
  for (const before of [2 ** 20 - 70, 2 ** 20 - 64, 2 ** 20 - 1]) {
    writeFileSync(path, Buffer.concat([elf(''), Buffer.alloc(before), Buffer.from('VERS_9.8.7\0')]));
    expect(libraryFacts(path).onnxruntime).toBe('9.8.7');
  }
});

/** Runs a model in the main thread and in a worker, and tells which libraries the process has mapped. */
const probe = `
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const { InferenceSession, listSupportedBackends, Tensor } = require(process.env.PACKAGE + '/dist/inspect/onnxruntime.js');
const { readFileSync } = require('node:fs');
async function use() {
  const { Graph } = require(process.env.PACKAGE + '/dist/onnx/graph.js');
  const { mul } = require(process.env.PACKAGE + '/dist/onnx/ops.js');
  const graph = new Graph('twice');
  graph.output('y', mul(graph.input('x', 'float32', [2]), 2));
  const session = await InferenceSession.create(graph.toBuffer(), { executionProviders: ['cpu'] });
  const { y } = await session.run({ x: new Tensor('float32', [1, 2], [2]) });
  const maps = readFileSync('/proc/self/maps', 'utf8').match(/\\/\\S*(libonnxruntime\\.so|onnxruntime_binding)\\S*/g);
  return { y: [...y.data], mapped: [...new Set(maps)].sort(), cpu: listSupportedBackends().some((one) => one.name === 'cpu') };
}
if (process.env.THREAD === 'worker' && isMainThread) {
  new Worker(__filename).on('message', (told) => console.log(JSON.stringify(told)));
} else use().then((told) => isMainThread ? console.log(JSON.stringify(told)) : parentPort.postMessage(told));
`;

describe.each(['main', 'worker'])('in the %s thread of another process', (thread) => {
  const script = join(dir, `probe-${thread}.cjs`);
  writeFileSync(script, probe);
  const run = (env: Record<string, string>) => {
    const options = { env: { ...process.env, PACKAGE: packageRoot, THREAD: thread, ...env }, encoding: 'utf8' as const };
    return JSON.parse(execFileSync(process.execPath, [script], options)) as unknown;
  };

  test('the build in VERDICTD_ORT_DIR is the one that runs', () => {
    const folder = placed();
    expect(run({ VERDICTD_ORT_DIR: folder })).toEqual({
      y: [2, 4],
      mapped: [join(folder, libraryFile), join(folder, bindingFile)],
      cpu: true,
    });
  });

  test('without it, npm has the say', () => {
    expect(run({ VERDICTD_ORT_DIR: '' })).toEqual({ y: [2, 4], mapped: [join(own, libraryFile), join(own, bindingFile)], cpu: true });
  });
});

test('a build that is refused ends the command with the reason, and nothing runs on the CPU instead', () => {
  const folder = placed(replace(libraryFile, elf('\0VERS_1.20.1\0')));
  const script = `require(${JSON.stringify(join(packageRoot, 'dist/inspect/onnxruntime.js'))})`;
  expect(() =>
    execFileSync(process.execPath, ['-e', script], { env: { ...process.env, VERDICTD_ORT_DIR: folder }, stdio: 'pipe' }),
  ).toThrow('is of onnxruntime 1.20.1');
});

test('a binding that loads another library than the one beside it is refused', () => {
  const folder = placed();
  const elsewhere = placed();
  // LD_LIBRARY_PATH goes before RUNPATH.
  const script = `require(${JSON.stringify(join(packageRoot, 'dist/inspect/onnxruntime.js'))})`;
  const env = { ...process.env, VERDICTD_ORT_DIR: folder, LD_LIBRARY_PATH: elsewhere };
  expect(() => execFileSync(process.execPath, ['-e', script], { env, stdio: 'pipe' })).toThrow(
    `loaded ${join(elsewhere, libraryFile)}; expected ${join(folder, libraryFile)}`,
  );
  expect(readFileSync(join(folder, libraryFile)).length).toBeGreaterThan(1e6);
});
