/**
 * The camera room at full size on the fake camera library: 42 frames/s of 4096 x 2160 BayerRG8 (8.85 MB) from its buffers into ring
 * slots, then software triggers. Frames lost, bytes that reach JavaScript, CPU a frame, and what we add between trigger and slot:
 * the fake's log has the moment of each trigger and of each arrival, on the same monotonic clock.
 * Usage: node bench/camera.mjs [--seconds 20] [--triggers 200] [--json]. Figures of a quiet machine: the load is printed beside them.
 */

import { createRequire } from 'node:module';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { enter, library, linesOf, status } from '../test/soak/fake.mjs';

const require = createRequire(import.meta.url);
const { SpinnakerCamera } = require('../dist/camera/spinnaker.js');
const { openRing } = require('../dist/native.js');
const { monotonicMs } = require('../dist/clock.js');

const { values: given } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    triggers: { type: 'string', default: '200' },
    json: { type: 'boolean', default: false },
  },
});
const [seconds, triggers] = [Number(given.seconds), Number(given.triggers)];
if (!(seconds >= 2 && triggers >= 20)) {
  console.error('expected --seconds of at least 2 and --triggers of at least 20');
  process.exit(2);
}
const rate = 42; // Hz
const [width, height] = [4096, 2160];
const side = 518; // px, of the model's input
const warmUp = 10; // frames that are not counted

const settings = {
  UserSetSelector: 'Default',
  ExposureTime: 5000,
  Gain: 0,
  BalanceRatioRed: null,
  BalanceRatioBlue: null,
  PixelFormat: 'BayerRG8',
  Width: null,
  Height: null,
  OffsetX: 0,
  OffsetY: 0,
  BinningHorizontal: 1,
  BinningVertical: 1,
  ReverseX: false,
  ReverseY: false,
  AcquisitionFrameRate: rate,
  TriggerSource: null,
  TriggerActivation: 'RisingEdge',
  TriggerDelay: 0,
  LineFilterWidth: 0,
  DeviceLinkThroughputLimit: null,
  StreamBufferCountManual: 10,
  strobeLine: null,
  acceptLine: null,
};
const plan = {
  id: 1,
  recipe: { id: 'bench', number: 1 },
  input: { width: side, height: side, resize: 'bicubic', fit: 'squash', mean: [0.48, 0.46, 0.41], std: [0.27, 0.26, 0.28] },
  camera: {},
};
const cameraOf = (triggered) => new SpinnakerCamera({ library, serial: '', settings, triggered, acceptPulse: 100, frameTimeout: 2000 });
const at = (values, share) => values[Math.min(values.length - 1, Math.floor(share * values.length))] ?? Number.NaN;
const spread = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return { p50: at(sorted, 0.5), p99: at(sorted, 0.99), most: sorted.at(-1) ?? Number.NaN };
};
const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

// `fill = stamp`: writing 370 MB/s of pattern would be the fake's cost, not ours.
const fake = enter(['fill = stamp', `sensor-width = ${width}`, `sensor-height = ${height}`], { log: true });
const never = new AbortController().signal;

/** Frames by themselves, as fast as the sensor gives them. */
async function freeRun() {
  const camera = cameraOf(false);
  await camera.start(plan, never);
  const taken = { frames: 0, faults: 0, lost: 0, ready: new Map() };
  let [began, cpu, fakeCpu, memory, last] = [0, 0, 0, null, -1];
  let most = 0;
  for await (const shot of camera.exposures()) {
    if (shot.kind === 'fault') {
      taken.faults++;
      continue;
    }
    // A consumer that keeps up: it looks at the tensor in place and gives the slot back.
    if (!Number.isFinite(openRing(shot.ring).tensor(shot.slot)[side])) throw new Error('the tensor holds no numbers');
    shot.release();
    taken.frames++;
    if (taken.frames > warmUp) {
      taken.ready.set(shot.frameId, shot.ready);
      taken.lost += shot.frameId - last - 1;
    }
    last = shot.frameId;
    if (taken.frames === warmUp) {
      [began, cpu, fakeCpu, memory] = [monotonicMs(), cpuMs(), (await status(fake.control)).streamCpuMs, process.memoryUsage()];
    }
    if (memory !== null) most = Math.max(most, process.memoryUsage().arrayBuffers - memory.arrayBuffers);
    if (memory !== null && monotonicMs() - began >= seconds * 1000) break;
  }
  const run = monotonicMs() - began;
  const end = await status(fake.control);
  const counted = taken.frames - warmUp;
  const result = {
    rate: (counted / run) * 1000,
    frames: counted,
    lost: taken.lost,
    faults: taken.faults,
    dropped: end.devices[0].stream.dropped,
    missed: camera.health().faults.missed ?? 0,
    cpu: (cpuMs() - cpu - (end.streamCpuMs - fakeCpu)) / counted,
    arrayBuffers: most,
    ready: taken.ready,
  };
  await camera.stop(monotonicMs() + 5000);
  return result;
}

/** One at a time, as parts come. */
async function triggered() {
  const camera = cameraOf(true);
  await camera.start(plan, never);
  const reader = camera.exposures()[Symbol.asyncIterator]();
  const fires = [];
  for (let i = 0; i < triggers + warmUp; i++) {
    const fired = monotonicMs();
    const taking = camera.fire().then(() => monotonicMs());
    const { value } = await reader.next();
    if (value.kind !== 'frame') throw new Error(`a fault: ${value.detail}`);
    const seen = monotonicMs();
    value.release();
    await taking;
    if (i >= warmUp) fires.push({ fired, ready: value.ready, seen, frameId: value.frameId });
    await new Promise((resolve) => setTimeout(resolve, 10 + ((i * 7) % 30)));
  }
  await camera.stop(monotonicMs() + 5000);
  return fires;
}

/** Moments of the fake's log, a stream an entry: arrivals by frame number, triggers in order. */
async function moments() {
  const streams = [];
  for await (const line of linesOf(fake.log)) {
    if (line.call === 'spinCameraBeginAcquisition') streams.push({ arrived: new Map(), triggers: [] });
    const stream = streams.at(-1);
    if (line.frame !== undefined) stream.arrived.set(line.frame, line.ms);
    if (line.call === 'spinNodeExecute' && line.on === 'TriggerSoftware') stream.triggers.push(line.ms - line.us / 1000);
    if (line.call === 'spinCommandExecute' && line.on === 'TriggerSoftware') stream.triggers.push(line.ms - line.us / 1000);
  }
  return streams;
}

const before = loadavg()[0];
const free = await freeRun();
const fires = await triggered();
const [first, second] = await moments();
fake.remove();
if (second.triggers.length !== fires.length + warmUp) throw new Error(`${second.triggers.length} triggers in the log`);

const result = {
  load: before,
  cores: cpus().length,
  free: { ...free, ready: undefined, toSlot: spread([...free.ready].map(([id, ready]) => ready - first.arrived.get(id))) },
  triggered: {
    triggers: fires.length,
    toCamera: spread(fires.map(({ fired }, i) => second.triggers[i + warmUp] - fired)),
    toSlot: spread(fires.map(({ ready, frameId }) => ready - second.arrived.get(frameId))),
    added: spread(fires.map(({ fired, ready, frameId }, i) => second.triggers[i + warmUp] - fired + (ready - second.arrived.get(frameId)))),
    toReader: spread(fires.map(({ ready, seen }) => seen - ready)),
  },
};
if (given.json) {
  console.log(JSON.stringify(result));
} else {
  const f = (value, digits = 2) => value.toFixed(digits);
  const ms = ({ p50, p99, most }) => `p50 ${f(p50)}  p99 ${f(p99)}  most ${f(most)} ms`;
  const frameBytes = width * height;
  console.log(`free run, ${width} x ${height} BayerRG8 (${f(frameBytes / 1e6)} MB), ${seconds} s, tensor ${side} x ${side} and thumbnail:`);
  console.log(
    `  ${f(free.rate)} frames/s of ${rate}; lost ${free.lost}, dropped by the library ${free.dropped}, missed ${free.missed}, faults ${free.faults}   goal 0`,
  );
  console.log(`  CPU a frame ${f(free.cpu)} ms, all threads of ours (the fake's own is taken off)`);
  console.log(
    `  JavaScript's buffers grew by at most ${f(free.arrayBuffers / 1e6)} MB in ${free.frames} frames of ${f(frameBytes / 1e6)} MB   goal: no frame copied`,
  );
  console.log(`  arrival to slot          ${ms(result.free.toSlot)}`);
  console.log(`software trigger, ${fires.length} parts: what we add to exposure, read-out and transfer`);
  console.log(`  fire() to the camera     ${ms(result.triggered.toCamera)}`);
  console.log(`  arrival to slot          ${ms(result.triggered.toSlot)}`);
  console.log(`  both together            ${ms(result.triggered.added)}`);
  console.log(`  slot to the reader in JS ${ms(result.triggered.toReader)}`);
  console.log(
    `load before ${f(before)} on ${result.cores} cores${before > 0.5 ? ': not a quiet machine, the p99 above is not ours alone' : ''}`,
  );
}
const good = free.lost === 0 && free.dropped === 0 && free.missed === 0 && free.faults === 0 && free.arrayBuffers < 3 * side * side * 4 * 8;
if (!good) console.log('FAILED: frames were lost, or copied');
process.exitCode = good ? 0 : 1;
