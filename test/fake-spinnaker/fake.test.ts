/** The fake camera library is itself tested: wrong calls, faults, leaks, log, script and control, each from its own process. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(__dirname, '..', '..');
const built = join(root, 'build', 'fake');
const selftest = join(built, 'selftest');

function node(script: string, ...words: string[]): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env };
  for (const name of ['CC', 'OUT', 'SANITIZE', 'CFLAGS', 'RUNNER']) delete env[name];
  return spawnSync(process.execPath, [join(__dirname, script), ...words], { encoding: 'utf8', cwd: root, env });
}

// The names of the cases are needed before the first test runs.
const build = node('build.mjs', '--if-needed', '--selftest');
if (build.status !== 0) throw new Error(build.stderr);
const cases = spawnSync(selftest, ['--list'], { encoding: 'utf8' })
  .stdout.split('\n')
  .filter((name) => name !== '');

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

// Not what somebody has set for a camera on the desk: each case says what it wants.
const plain = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VERDICTD_')));

function run(name: string, env: Record<string, string> = {}): Promise<Outcome> {
  return new Promise((done, failed) => {
    const child = spawn(selftest, [name], {
      env: { ...plain, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 25_000,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (some) => {
      stdout += some;
    });
    child.stderr.on('data', (some) => {
      stderr += some;
    });
    child.once('error', failed);
    child.once('close', (code) => done({ code, stdout, stderr }));
  });
}

const folder = mkdtempSync(join(tmpdir(), 'fake-spinnaker-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Line {
  call?: string;
  on?: string;
  what?: string;
  rc?: number;
  frame?: number;
  picture?: string;
  command?: string;
  report?: { violationCount: number; violations: { kind: string; text: string }[]; held: Record<string, number> };
}
function logOf(path: string): Line[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

describe('cases', () => {
  const outcomes = new Map<string, Promise<Outcome>>();
  beforeAll(() => {
    // Most of a case is waiting: four at a time.
    const lanes: Promise<unknown>[] = [0, 1, 2, 3].map(() => Promise.resolve());
    for (const [i, name] of cases.entries()) {
      const outcome = (lanes[i % 4] as Promise<unknown>).then(() => run(name));
      outcomes.set(name, outcome);
      lanes[i % 4] = outcome;
    }
  });
  test('there are some', () => expect(cases.length).toBeGreaterThan(40));
  test.each(cases)('%s', async (name) => {
    const { code, stdout } = (await outcomes.get(name)) as Outcome;
    expect(stdout).toBe('');
    expect(code).toBe(0);
  });
});

test('a script that is wrong is named with its line, and no system is to be had', async () => {
  const script = join(folder, 'wrong.txt');
  writeFileSync(script, 'temperature = 50\ntemprature = 51\n');
  const { code, stderr } = await run('a clean run tells nothing', { VERDICTD_FAKE_SPINNAKER: script });
  expect(code).not.toBe(0);
  expect(stderr).toContain('wrong.txt, line 2: there is no setting temprature');
});

test('a script sets the world up before the first call', async () => {
  const script = join(folder, 'script.txt');
  const log = join(folder, 'script.jsonl');
  writeFileSync(script, `# a slow link\nlog = ${log}\nmodel = Blackfly S of the test\nfail CameraInit -1005 times=1 held by SpinView\n`);
  const { stdout } = await run('a clean run tells nothing', { VERDICTD_FAKE_SPINNAKER: script });
  expect(stdout).toContain('spinCameraInit(rig.camera) is -1005');
  expect(logOf(log).find((line) => line.call === 'spinCameraInit')?.rc).toBe(-1005);
});

test('a system that is never released is told at the end', async () => {
  const log = join(folder, 'leak.jsonl');
  const { code, stderr } = await run('a system never released', { VERDICTD_FAKE_SPINNAKER_LOG: log });
  expect(code).toBe(0);
  expect(stderr).toContain('the system was never released');
  const { report } = logOf(log).at(-1) as Line;
  expect(report?.held).toMatchObject({ cameras: 1, lists: 1, images: 0 });
  expect(report?.violations.map(({ kind }) => kind)).toEqual(['leak']);
});

test('the log tells calls and frames in order', async () => {
  const log = join(folder, 'calls.jsonl');
  expect((await run('a clean run tells nothing', { VERDICTD_FAKE_SPINNAKER_LOG: log })).code).toBe(0);
  const lines = logOf(log);
  const calls = lines.flatMap(({ call }) => (call === undefined ? [] : [call]));
  const life = [
    'spinSystemGetInstance',
    'spinCameraListCreateEmpty',
    'spinSystemGetCameras',
    'spinCameraListGet',
    'spinCameraInit',
    'spinCameraBeginAcquisition',
    'spinCameraGetNextImageEx',
    'spinImageRelease',
    'spinCameraEndAcquisition',
    'spinCameraDeInit',
    'spinCameraRelease',
    'spinCameraListClear',
    'spinCameraListDestroy',
    'spinSystemReleaseInstance',
  ];
  expect(calls.filter((call) => life.includes(call))).toEqual(life);
  expect(lines).toContainEqual(expect.objectContaining({ call: 'spinNodeFromString', on: 'ExposureTime', what: '1000', rc: 0 }));
  expect(lines.findIndex(({ frame }) => frame === 0)).toBeLessThan(lines.findIndex(({ call }) => call === 'spinImageRelease'));
  expect(lines.at(-1)?.report).toMatchObject({ violationCount: 0, held: { cameras: 0, lists: 0, images: 0, nodes: 0 } });
});

test('the cable is pulled from outside, by the socket', async () => {
  const socket = join(folder, 'control');
  expect(node('control.mjs', socket, 'status').stderr).toContain(`no fake camera listens on ${socket}`);
  const running = run('--until-unplugged', { VERDICTD_FAKE_SPINNAKER_CONTROL: socket });
  for (let tries = 0; tries < 500 && !existsSync(socket); tries++) await new Promise((done) => setTimeout(done, 10));
  expect(node('control.mjs', socket, 'unplug', 'nobody')).toMatchObject({ status: 1, stdout: 'error there is no such camera\n' });
  const streaming = (): boolean => node('control.mjs', socket, 'status').stdout.includes('"streaming":true');
  for (let tries = 0; tries < 100 && !streaming(); tries++) await new Promise((done) => setTimeout(done, 50));
  expect(node('control.mjs', socket, 'unplug')).toMatchObject({ status: 0, stdout: 'ok\n' });
  const { code, stdout, stderr } = await running;
  expect(stdout).toMatch(/^running\n\d+ frames\n$/);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(existsSync(socket)).toBe(false);
});

test('the simulated line gives frames as files', async () => {
  const out = join(folder, 'frames');
  if (!existsSync(join(root, 'dist', 'camera', 'simulated', 'render.js'))) {
    console.log('skipped: dist/ is not built (npm run build:ts)');
    return;
  }
  expect(node('frames.mjs', out, '--width', 'wide').status).toBe(2);
  const made = node('frames.mjs', out, '--width', '256', '--height', '128', '--parts', '3', '--defect-rate', '1');
  expect(made).toMatchObject({ status: 0, stderr: '' });
  const names = readdirSync(out).sort();
  expect(names).toHaveLength(3);
  for (const name of names) {
    expect(name).toMatch(/^part-00000\d-(scratch|contamination|crack|dent)_256x128_BayerRG8\.raw$/);
    expect(statSync(join(out, name)).size).toBe(256 * 128);
  }
  const script = join(folder, 'frames.txt');
  const log = join(folder, 'frames.jsonl');
  writeFileSync(script, `frames = ${out}\n`);
  expect(await run('a clean run tells nothing', { VERDICTD_FAKE_SPINNAKER: script, VERDICTD_FAKE_SPINNAKER_LOG: log })).toMatchObject({
    code: 0,
  });
  expect(logOf(log).find(({ frame }) => frame === 0)).toMatchObject({ picture: names[0] });
});

describe('libraries that cannot be used', () => {
  // What the dynamic linker says of each: the addon's loader has to make sense of it.
  const load = (path: string): string => {
    const script = 'try { process.dlopen({ exports: {} }, process.argv[1]) } catch (error) { console.log(error.message) }';
    return spawnSync(process.execPath, ['-e', script, path], { encoding: 'utf8' }).stdout;
  };
  const library = (variant: string): string => join(built, variant, 'libSpinnaker_C.so.4');
  test('one whose own library is not installed', () => {
    expect(load(library('missing-dependency'))).toContain('libSpinnaker.so.4: cannot open shared object file');
  });
  test('one for another machine', () => {
    expect(readFileSync(library('wrong-machine')).readUInt16LE(18)).toBe(50);
    expect(load(library('wrong-machine'))).toMatch(/cannot open shared object file|wrong ELF class|invalid ELF header/);
  });
  test('one that lacks a function', () => {
    // Node finds no addon in either; both load.
    for (const variant of ['missing-symbol', '.']) expect(load(library(variant))).toContain('self-register');
    const symbols = (variant: string): string => spawnSync('nm', ['-D', '--defined-only', library(variant)], { encoding: 'utf8' }).stdout;
    expect(symbols('.')).toContain(' spinImageGetStride\n');
    expect(symbols('missing-symbol')).not.toContain(' spinImageGetStride\n');
    expect(symbols('missing-symbol')).toContain(' spinImageGetWidth\n');
  });
  test('what is exported is the library and one function of the fake', () => {
    const names = spawnSync('nm', ['-D', '--defined-only', library('.')], { encoding: 'utf8' })
      .stdout.split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(' ').at(-1) ?? '');
    expect(names.filter((name) => !name.startsWith('spin'))).toEqual(['fakeSpinCommand']);
    const header = readFileSync(join(__dirname, 'lib', 'spinnaker.h'), 'utf8');
    const declared = [...header.matchAll(/^SPIN (\w+)\(/gm)].map(([, name]) => name ?? '');
    expect(names.sort()).toEqual(declared.sort());
  });
});
