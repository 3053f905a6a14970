#!/usr/bin/env node
// npm run soak:camera -- [--frames 100000] [--rate 0.05] [--seed 1] [--scale 20]
// Parts through camera, line and verdict rule while exposures are spoilt at random and the cable is pulled; the fake camera's own log
// says afterwards what each exposure was. Must be 0: passes of a faulty, doubled, torn or other part's frame; images and handles
// held at the end; violations of the library's rules. The last line is "N passed, N failed", of these checks.
import { parseArgs } from 'node:util';
import { enter, framesOf, status, tell } from './fake.mjs';
import { height, memory, monotonicMs, slope, startLine, until, width } from './line.mjs';

const { values: given } = parseArgs({
  options: {
    frames: { type: 'string', default: '100000' },
    rate: { type: 'string', default: '0.05' },
    seed: { type: 'string', default: '1' },
    scale: { type: 'string', default: '20' },
  },
});
const [frames, rate, seed, scale] = ['frames', 'rate', 'seed', 'scale'].map((key) => Number(given[key]));
if (!(frames >= 100 && rate >= 0 && rate < 1 && Number.isInteger(seed) && scale >= 1)) {
  console.error('expected --frames at least 100, --rate 0..1, --seed a whole number, --scale at least 1');
  process.exit(2);
}

/** ms of real time; a loaded machine must not turn good frames into late ones. */
const frameTimeout = 150;
/** Every fault that spoils a picture, or its number; `slow` comes below, with a time that is too late for certain. */
const names = 'incomplete,frozen,gap,duplicate,wrong-size,wrong-format,zero-size,short,lost,chunk-missing';
/** These leave a picture that may be judged: the frames before it were lost, or it lacks its own remarks. */
const harmless = new Set(['', 'gap', 'chunk-missing']);
/** What else happens, one of them every so many parts; times on the camera's clock. */
const eventEvery = 250;
const events = [
  `fault slow value=${3 * frameTimeout * scale}`,
  'fail CameraGetNextImageEx -1010',
  'fail CameraGetNextImageEx -1010 times=2',
  'fail NodeIsAvailable -1009',
  'overwrite-error',
  'unplug',
];

const fake = enter(
  [
    `sensor-width = ${width}`,
    `sensor-height = ${height}`,
    'stride-padding = 64',
    'real-stamps = on',
    'unplug-timeouts = 1',
    `scale ${scale}`,
    `fault random rate=${rate} seed=${seed} names=${names}`,
  ],
  { log: true },
);
// Numbers only, allocated at once: what grows in here would look like a leak.
const passes = { seq: new Uint32Array(frames + 1), frameId: new Float64Array(frames + 1), stamp: new Float64Array(frames + 1) };
let [passed, torn] = [0, 0];
const codes = new Map();

let state = seed >>> 0;
function draw() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

const line = startLine({
  frameTimeout,
  ttl: 5000,
  passed: (pass) => {
    passes.seq[passed] = pass.seq;
    passes.frameId[passed] = pass.frameId;
    passes.stamp[passed] = pass.stamp ?? -1;
    if (pass.torn) torn++;
    passed++;
  },
});
const isUp = () => {
  if (line.state.failure !== null) throw line.state.failure;
  return line.state.connected;
};

/** Something goes wrong beside the pictures. */
async function disturb() {
  const event = events[Math.floor(draw() * events.length)];
  await tell(fake.control, event).catch((error) => {
    if (event !== 'unplug') throw error;
  });
  if (event !== 'unplug') return;
  // Pulled under a part: its trigger is on the way.
  const part = line.trigger();
  await until(() => !line.state.connected, 'the loss of the camera');
  await part;
  await tell(fake.control, 'replug');
}

const began = monotonicMs();
const samples = [];
const every = Math.max(100, Math.floor(frames / 100));
await until(isUp, () => `the camera: ${line.state.why}`);
for (let part = 1; part <= frames; part++) {
  if (part % eventEvery === 0) await disturb();
  let code = await line.trigger();
  // Refused, as the camera went just then: no part.
  while (code === null) {
    await until(isUp, () => `the camera back: ${line.state.why}`);
    code = await line.trigger();
  }
  codes.set(code, (codes.get(code) ?? 0) + 1);
  if (part % every === 0) samples.push(await memory());
}
await line.stop();
const seconds = (monotonicMs() - began) / 1000;
const end = await status(fake.control);

// The referee: the library's log against what was passed.
let next = 0;
let [exposures, faulty, spoilt] = [0, 0, 0];
const wrong = { faulty: [], otherPicture: [], unknown: [], twice: [] };
const byStamp = new Map();
for (let i = 0; i < passed; i++) {
  if (byStamp.has(passes.stamp[i])) wrong.twice.push(passes.seq[i]);
  byStamp.set(passes.stamp[i], i);
  if (i > 0 && passes.stamp[i] <= passes.stamp[i - 1]) wrong.otherPicture.push(passes.seq[i]);
}
let before = -1; // number of the frame before in its stream
for await (const line of framesOf(fake.log)) {
  const { frame, exposure } = line;
  exposures++;
  // Where the frame whose number it repeats was lost, it is the first that anybody saw of that number, and a good picture.
  const fault = line.fault === 'duplicate' && frame !== before ? '' : line.fault;
  before = frame;
  if (fault !== '') faulty++;
  const pass = byStamp.get(exposure);
  if (!harmless.has(fault)) spoilt++;
  if (pass === undefined) continue;
  next++;
  if (!harmless.has(fault)) wrong.faulty.push(`${exposure} ${fault}`);
  if (passes.frameId[pass] !== frame) wrong.otherPicture.push(passes.seq[pass]);
}
if (next !== byStamp.size) wrong.unknown.push(byStamp.size - next);

const held = Object.values(end.held).reduce((a, b) => a + b, 0) + end.instances;
const warm = samples.slice(Math.ceil(samples.length / 5));
const rss = warm.map((sample) => sample.rss);
const heap = warm.map((sample) => sample.heap);
const perThousand = (values) => ((slope(values) / every) * 1000) / 1024; // KiB
const checks = [
  ['no PASS from a faulty frame', wrong.faulty.length === 0, wrong.faulty.slice(0, 5).join(', ')],
  ['every PASS is of its own exposure', wrong.otherPicture.length + wrong.unknown.length + wrong.twice.length === 0, JSON.stringify(wrong)],
  ['no picture was read after it was given back', torn === 0, `${torn}`],
  ['no image or handle is held at the end', held === 0, JSON.stringify(end.held)],
  ['no rule of the library was broken', end.violationCount === 0, JSON.stringify(end.violations)],
  // Else the zeros above say nothing.
  ['good frames pass', passed >= 0.9 * (exposures - spoilt) && passed > 0, `${passed} of ${exposures - spoilt}`],
  ['faults did happen', rate === 0 || spoilt >= 0.5 * rate * frames, `${spoilt}`],
];
console.log(
  `${frames} parts in ${seconds.toFixed(0)} s, camera's clock ${scale} x: ${exposures} frames from the library, ${faulty} with a fault`,
);
console.log(
  `  ${passed} PASS of ${exposures - spoilt} unspoilt; streams begun ${line.state.ups}; codes ${[...codes].map(([code, n]) => `${code}: ${n}`).join(', ')}`,
);
console.log(`  faults by cause (last stream): ${JSON.stringify(line.camera.health().faults)}`);
console.log(
  `  RSS ${(rss[0] / 2 ** 20).toFixed(0)} -> ${((rss.at(-1) ?? 0) / 2 ** 20).toFixed(0)} MiB, ${perThousand(rss).toFixed(1)} KiB a thousand frames after the first fifth; JavaScript's objects ${perThousand(heap).toFixed(1)} KiB`,
);
let failed = 0;
for (const [what, good, detail] of checks) {
  if (!good) failed++;
  console.log(`${good ? '  ok      ' : '  FAILED  '}${what}${good ? '' : `: ${detail}`}`);
}
if (failed === 0) fake.remove();
else console.log(`the library's log is kept: ${fake.log}`);
console.log(`${checks.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
