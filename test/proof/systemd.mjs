#!/usr/bin/env node
// npm run test:systemd -- [--hangs 20]: the shipped unit, byte for byte, under a real systemd that is the first process of namespaces of
// its own, with the real daemon on the fake camera library. Nothing in the product helps: a hang is made by a signal, by a tracer that
// stops a thread, or by a camera library that does not come back. Needs root, and Debian's systemd, util-linux, gcc.
// The last line is "N passed, N failed". Times are printed beside their goals; none is a check.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { tell as command } from '../soak/fake.mjs';
import { must, root } from './shadow.mjs';
import { impossible, Machine, sleep } from './systemd/machine.mjs';
import { Tally } from './tally.mjs';

const { values: given } = parseArgs({ options: { hangs: { type: 'string', default: '20' } } });
const hangs = Number(given.hangs);
if (!(Number.isInteger(hangs) && hangs >= 1)) {
  console.error('expected --hangs a whole number of at least 1');
  process.exit(2); // wrong usage, as everywhere
}
const tally = new Tally();
const why = impossible();
if (why !== null) {
  console.log(`skipped: ${why}`);
  console.log('0 passed, 0 failed');
  process.exit(0); // not a failure: this machine cannot run it, and the line above says why
}
if (!existsSync(join(root, 'build/fake/libSpinnaker_C.so.4'))) must(process.execPath, [join(root, 'test/fake-spinnaker/build.mjs')]);

/** Beside the unit: the stand-in for the camera, and where this test reads what is said and how each run ended. */
const dropIn = `[Service]
Environment=VERDICTD_SPINNAKER_LIBRARY=/opt/verdictd/build/fake/libSpinnaker_C.so.4
Environment=VERDICTD_FAKE_SPINNAKER=/etc/verdictd/camera
Environment=VERDICTD_FAKE_SPINNAKER_CONTROL=/var/lib/verdictd/camera.sock
StandardOutput=append:/var/lib/said
StandardError=append:/var/lib/said
ExecStopPost=/usr/bin/printf 'ended %%s %%s %%s\\n' \${SERVICE_RESULT} \${EXIT_CODE} \${EXIT_STATUS}
`;
const camera = (more = []) => `${['sensor-width = 256', 'sensor-height = 128', ...more].join('\n')}\n`;
/** A line that nobody runs, as on a Sunday: what feeds the watchdog there is the canary. */
const config = (gain = 0) => `station: { name: proof }
camera: { kind: spinnaker, spinnaker: { Gain: ${gain} } }
recipe: { active: part }
trigger: { source: mqtt }
plc: { url: "mqtt://127.0.0.1:1", onBrokerLoss: log }
`;

const machine = new Machine(dropIn);
const control = join(machine.data, 'camera.sock');
const launcher = join(root, 'src/cli/verdictd');
const seconds = (since) => ((Date.now() - since) / 1000).toFixed(1);
const times = new Map();
const note = (name, since) => times.set(name, [...(times.get(name) ?? []), (Date.now() - since) / 1000]);

async function until(is, what, limit = 180_000) {
  const end = Date.now() + limit;
  for (;;) {
    const seen = await is();
    if (seen) return seen;
    if (Date.now() > end)
      throw new Error(`never came within ${limit / 1000} s: ${what}; ${JSON.stringify(machine.show())}\n${machine.log().slice(-3000)}`);
    await sleep(50);
  }
}
const active = () => until(() => machine.show().ActiveState === 'active', 'active');
const exposures = async () => JSON.parse(await command(control, 'status')).devices[0].exposures;

/** What the station says of itself, asked as its own user. */
function status() {
  const words = ['status', '--json', '--config', '/etc/verdictd/verdictd.yaml', '--data-dir', '/var/lib/verdictd'];
  const done = machine.inside('/opt/verdictd/src/cli/verdictd', words, true);
  // Its exit code says whether the station is ready; safe mode is not.
  return done.stdout === '' ? { error: done.stderr } : JSON.parse(done.stdout);
}

/** A recipe from pictures that cost nothing. */
function teach() {
  const good = join(machine.folder, 'good');
  mkdirSync(good);
  const [width, height] = [64, 48];
  for (let n = 0; n < 6; n++) {
    const pixels = Buffer.alloc(width * height * 3);
    for (let i = 0; i < pixels.length; i++) pixels[i] = 60 + ((i * 7 + (i >> 6) * 13) % 90) + 4 * n;
    writeFileSync(join(good, `${n}_${width}x${height}_RGB8.raw`), pixels);
  }
  must(process.execPath, [launcher, 'teach', '--recipe', 'part', '--good', good, '--shots', '4', '--data-dir', machine.data]);
}

async function ready() {
  writeFileSync(join(machine.folder, 'etc/camera'), camera(['init-ms = 3000']));
  machine.inside('cp', [join(machine.folder, 'etc/camera'), '/etc/verdictd/camera']);
  const began = Date.now();
  const started = machine.begin('start', 'verdictd.service');
  let [early, looks] = [0, 0];
  await until(async () => {
    const taken = await exposures().catch(() => 0);
    const { ActiveState } = machine.show(); // after the camera: what is active now had shown a picture a moment ago, or shows it
    if (ActiveState === 'activating') looks++;
    if (ActiveState === 'active' && taken === 0 && (await exposures()) === 0) early++;
    return ActiveState === 'active' || ActiveState === 'failed';
  }, 'the start');
  const code = await started;
  const now = status();
  console.log(`  started in ${seconds(began)} s, 3 s of it the camera's own; seen activating ${looks} times`);
  tally.check('start returns 0', code === 0, `${code} ${machine.log().slice(-2000)}`);
  tally.check('READY comes after the self-test: not before the camera has shown a picture', early === 0 && looks > 5, `${early} ${looks}`);
  tally.check(
    'the station works then: model loaded, camera up',
    now.inference?.provider !== undefined && now.camera?.frames >= 1,
    JSON.stringify(now),
  );
  const main = machine.station();
  const said = main === null ? '' : readFileSync(`/proc/${main}/status`, 'utf8');
  const uid = Number(/^Uid:\t(\d+)/m.exec(said)?.[1]);
  tally.check(
    'it runs as a user of its own, without capabilities, with a filter',
    uid > 0 && /^CapBnd:\t0+$/m.test(said) && /^Seccomp:\t2$/m.test(said),
    said,
  );
  writeFileSync(join(machine.folder, 'etc/camera'), camera());
  machine.inside('cp', [join(machine.folder, 'etc/camera'), '/etc/verdictd/camera']);
}

/** Threads of the station but the main one, and those of this name. */
const others = (pid, but = '') =>
  readdirSync(`/proc/${pid}/task`)
    .map(Number)
    .filter((id) => id !== pid && readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim() !== but);

/** Ways to hang, each without any help by the station. */
const kinds = {
  'the whole process stopped': (pid) => process.kill(pid, 'SIGSTOP'),
  'the main thread stopped': (pid) => machine.freeze([pid]),
  'the camera library does not come back': () => command(control, 'hang CameraGetNextImageEx'),
  'every thread but the main one stopped': (pid) => machine.freeze(others(pid)),
  "model and log stopped: every thread but the main one and the camera's": (pid) => machine.freeze(others(pid, 'verdictd-camera')),
};

/** One hang; the station must be a new process that works, after exactly one end. */
async function hang(name, act) {
  const before = machine.ends().length;
  const pid = machine.station();
  const began = Date.now();
  await act(pid);
  await until(() => machine.ends().length > before, `the end after "${name}"`);
  note(name, began);
  await active();
  note(`${name}: to READY`, began);
  const ends = machine.ends().slice(before);
  const now = machine.station();
  const state = status();
  const good = ends.length === 1 && now !== pid && existsSync(`/proc/${now}`) && state.camera?.connected === true;
  return { good, end: ends.join('; '), state };
}

async function restartInOrder() {
  const before = machine.ends().length;
  machine.systemctl('restart', 'verdictd.service');
  await active();
  return machine.ends()[before];
}

async function allHangs() {
  const names = Object.keys(kinds);
  const results = new Map();
  let [restarts, orderly] = [0, 0];
  for (let i = 0; i < hangs; i++) {
    const name = names[i % names.length];
    const { good, end, state } = await hang(name, kinds[name]);
    if (good) restarts++;
    else console.log(`  hang ${i + 1}, ${name}: ended ${end}, then ${JSON.stringify(state).slice(0, 600)}`);
    results.set(name, [...(results.get(name) ?? []), end]);
    // Five starts within five minutes that did not end in order would be a crash loop, which comes below.
    if (i % 4 === 3 && (await restartInOrder()) === 'success exited 0') orderly++;
  }
  for (const [name, ends] of results) {
    const worst = (key) => Math.max(...times.get(key)).toFixed(1);
    console.log(
      `  ${name}: ${ends.length} x ${[...new Set(ends)].join(' or ')}; noticed after ${worst(name)} s at the most, READY after ${worst(`${name}: to READY`)} s`,
    );
  }
  console.log('  goal: a process or main thread that stands is ended within WatchdogSec + 1 = 11 s');
  tally.check(`${hangs} forced hangs, ${hangs} restarts`, restarts === hangs, `${restarts}`);
  tally.check(`${Math.floor(hangs / 4)} restarts in order between them`, orderly === Math.floor(hangs / 4), `${orderly}`);
  const bitten = [...results].filter(([name]) => /process|main thread stopped/.test(name)).flatMap(([, ends]) => ends);
  tally.check(
    'it was the watchdog that ended what stood still',
    bitten.every((end) => end.startsWith('watchdog ')),
    bitten.join('; '),
  );
}

async function stops() {
  const before = machine.log().length;
  machine.systemctl('restart', 'verdictd.service');
  await active();
  const began = Date.now();
  machine.systemctl('stop', 'verdictd.service');
  console.log(`  stopped in ${seconds(began)} s (TimeoutStopSec 20)`);
  const { Result, ExecMainStatus } = machine.show();
  tally.check('a stop ends in order', Result === 'success' && ExecMainStatus === '0', JSON.stringify(machine.show()));
  const left = ['starts.json', 'control.sock'].filter((name) => existsSync(join(machine.data, name)));
  tally.check('nothing of the run is left: no socket, no record of a start', left.length === 0, left.join());
  const said = machine.log().slice(before);
  tally.check("the camera library's rules were kept", said !== '' && !/violations/.test(said), said);
  const verified = spawnSync(process.execPath, [launcher, 'log', 'verify', '--data-dir', machine.data], { encoding: 'utf8' });
  tally.check('the log is whole after all of this', verified.status === 0, verified.stdout + verified.stderr);

  machine.systemctl('start', 'verdictd.service');
  await active();
  await command(control, 'hang CameraEndAcquisition');
  const again = Date.now();
  machine.systemctl('stop', 'verdictd.service');
  console.log(`  stopped in ${seconds(again)} s with a camera library that hangs (TimeoutStopSec 20)`);
  const end = machine.show();
  tally.check(
    'a camera library that hangs does not hold up the stop: no timeout, nothing killed',
    end.Result === 'success',
    JSON.stringify(end),
  );
}

async function wrongConfiguration() {
  machine.configure(config(55));
  const before = machine.ends().length;
  machine.systemctl('start', 'verdictd.service');
  await until(() => machine.show().ActiveState === 'failed', 'the refusal');
  await sleep(6_000); // three times RestartSec
  const { ActiveState, ExecMainStatus } = machine.show();
  const ends = machine.ends().slice(before);
  const good = ActiveState === 'failed' && ExecMainStatus === '78' && ends.length === 1;
  tally.check('exit 78, a wrong configuration, is not started again', good, `${JSON.stringify(machine.show())} ${ends.join('; ')}`);
  machine.configure(config());
  machine.systemctl('reset-failed', 'verdictd.service');
}

async function crashLoop() {
  rmSync(join(machine.data, 'starts.json'), { force: true });
  machine.systemctl('start', 'verdictd.service');
  for (let i = 0; i < 5; i++) {
    await active();
    const before = machine.ends().length;
    process.kill(machine.station(), 'SIGKILL');
    await until(() => machine.ends().length > before, 'the end of a killed station');
  }
  await active();
  const safe = machine.show();
  const state = status();
  tally.check(
    'after five crashes the sixth start is safe',
    /safe mode/.test(safe.StatusText) && state.inference === null,
    JSON.stringify({ safe, state }),
  );
  await sleep(15_000); // longer than WatchdogSec
  const later = machine.show();
  tally.check('safe mode feeds the watchdog', later.ActiveState === 'active' && later.MainPID === safe.MainPID, JSON.stringify(later));
  machine.systemctl('stop', 'verdictd.service');
  tally.check('safe mode stops in order', machine.show().Result === 'success', JSON.stringify(machine.show()));
}

try {
  machine.configure(config());
  writeFileSync(join(machine.folder, 'etc/camera'), camera());
  teach();
  let booted = null;
  await machine.boot().catch((error) => (booted = error));
  if (booted !== null) {
    console.log(`skipped: ${booted.message}`);
  } else {
    console.log(must('/lib/systemd/systemd', ['--version']).split('\n')[0]);
    const unit = readFileSync(join(root, 'systemd/verdictd.service'), 'utf8');
    tally.check(
      'the unit is the shipped one, unchanged',
      machine.inside('cat', ['/run/units/verdictd.service']).stdout === unit,
      'it is not',
    );
    await ready();
    await allHangs();
    await stops();
    await wrongConfiguration();
    await crashLoop();
  }
} catch (error) {
  tally.check('the proof ran to its end', false, error.stack);
} finally {
  await machine.off();
}
tally.end();
