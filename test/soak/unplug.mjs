#!/usr/bin/env node
// npm run soak:unplug -- [--cycles 1000] [--scale 10]
// The cable pulled and plugged again, over and over, under a line that judges parts. Each time the first PASS must come within 5 s of the
// camera's being there again, and nothing may be left behind: handles, threads, descriptors, memory.
// The camera's own delays (losing and finding it, 300 ms each; starting up) run on its clock, `scale` times faster than time; ours,
// the back-off above all, run in real time, and so do the 5 s. The last line is "N passed, N failed", of the checks.
// V8 doubles its young generation whenever enough survives in it, up to 48 MiB, and keeps it: in a young process that looks like a leak of
// several KiB a cycle. package.json holds it at one size; `node --expose-gc test/soak/unplug.mjs` shows the run without that.
import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { enter, status, tell } from './fake.mjs';
import { height, memory, monotonicMs, slope, startLine, until, width } from './line.mjs';

const { values: given } = parseArgs({ options: { cycles: { type: 'string', default: '1000' }, scale: { type: 'string', default: '10' } } });
const [cycles, scale] = [Number(given.cycles), Number(given.scale)];
if (!(Number.isInteger(cycles) && cycles >= 10 && scale >= 1)) {
  console.error('expected --cycles a whole number of at least 10, --scale at least 1');
  process.exit(2);
}
const goal = 5000; // ms

const script = [`sensor-width = ${width}`, `sensor-height = ${height}`, 'stride-padding = 64', 'real-stamps = on', `scale ${scale}`];
const fake = enter(script, { log: false });
let passed = 0;
const line = startLine({ frameTimeout: 150, ttl: 5000, passed: () => passed++ });
const up = () => {
  if (line.state.failure !== null) throw line.state.failure;
  return line.state.connected;
};
const open = () => ({ threads: readdirSync('/proc/self/task').length, descriptors: readdirSync('/proc/self/fd').length });
const present = async () => (await status(fake.control)).devices[0].present;

const began = monotonicMs();
const recoveries = new Float64Array(cycles);
const samples = [];
let first = null;
await until(up, () => `the camera: ${line.state.why}`);
for (let cycle = 0; cycle < cycles; cycle++) {
  for (let part = 0; part < 3; part++) await line.trigger();
  // In turn: while nothing happens, and under a part.
  const part = cycle % 2 === 0 ? null : line.trigger();
  await tell(fake.control, 'unplug');
  await until(() => !up(), 'the loss of the camera');
  await part;
  await tell(fake.control, 'replug');
  const plugged = monotonicMs();
  while (!(await present())) await new Promise((resolve) => setTimeout(resolve, 1));
  const before = passed;
  while (passed === before) {
    if (monotonicMs() - plugged > 10 * goal) throw new Error(`cycle ${cycle}: no part passed within ${10 * goal} ms of the plug`);
    await until(up, () => `the camera back: ${line.state.why}`, 10 * goal);
    await line.trigger();
  }
  recoveries[cycle] = monotonicMs() - plugged;
  if (cycle === Math.floor(cycles / 10)) first = open();
  if (cycle % Math.max(1, Math.floor(cycles / 100)) === 0) samples.push(await memory());
}
const last = open();
await line.stop();
const end = await status(fake.control);

const sorted = [...recoveries].sort((a, b) => a - b);
const at = (share) => sorted[Math.min(cycles - 1, Math.floor(share * cycles))];
const slow = sorted.filter((ms) => ms > goal).length;
const rss = samples.slice(Math.ceil(samples.length / 5)).map((sample) => sample.rss);
const late = samples.slice(Math.floor(samples.length / 2));
const perCycle = (values) => slope(values) / Math.max(1, Math.floor(cycles / 100)) / 1024; // KiB
const lateBy = (what) => perCycle(late.map((sample) => sample[what])).toFixed(2);
const held = Object.values(end.held).reduce((a, b) => a + b, 0) + end.instances;
const checks = [
  [`a part passes within ${goal} ms of each plug`, slow === 0, `${slow} were slower, ${sorted.at(-1)?.toFixed(0)} ms at the most`],
  ['no image or handle is held at the end', held === 0, JSON.stringify(end.held)],
  ['no rule of the library was broken', end.violationCount === 0, JSON.stringify(end.violations)],
  [
    'no thread or descriptor more than after the first cycles',
    last.threads <= first.threads && last.descriptors <= first.descriptors + 2,
    JSON.stringify({ first, last }),
  ],
  // A leaked ring is 2.4 MB of tensors, a leaked thread's stack 8 KiB at the least.
  ['memory is flat: less than 4 KiB a cycle', cycles < 500 || perCycle(rss) < 4, `${perCycle(rss).toFixed(2)} KiB`],
];
console.log(`${cycles} cycles in ${((monotonicMs() - began) / 1000).toFixed(0)} s, camera's clock ${scale} x, ${passed} PASS`);
console.log(
  `  plug to the first PASS: median ${at(0.5).toFixed(0)} ms, p99 ${at(0.99).toFixed(0)} ms, most ${sorted.at(-1)?.toFixed(0)} ms (goal ${goal} ms)`,
);
console.log(
  `  RSS ${(rss[0] / 2 ** 20).toFixed(0)} -> ${((rss.at(-1) ?? 0) / 2 ** 20).toFixed(0)} MiB, ${perCycle(rss).toFixed(2)} KiB a cycle after the first fifth; in the second half ${lateBy('rss')}, of it V8's pages ${lateBy('pages')}, JavaScript's objects ${lateBy('heap')}; threads ${last.threads}, descriptors ${last.descriptors}`,
);
let failed = 0;
for (const [what, good, detail] of checks) {
  if (!good) failed++;
  console.log(`${good ? '  ok      ' : '  FAILED  '}${what}${good ? '' : `: ${detail}`}`);
}
fake.remove();
console.log(`${checks.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
