// Measures the native camera thread on the frames of a folder: CPU ms a frame of that thread alone. Prints one line of JSON.
// Usage: own.mjs FOLDER WIDTH HEIGHT THUMBNAIL_WIDTH ROUNDS
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { input } from './input.mjs';

const { native } = createRequire(import.meta.url)('../../dist/native.js');
const [folder, ...numbers] = process.argv.slice(2);
const [width, height, thumbnailWidth, rounds] = numbers.map(Number);
const frames = readdirSync(folder)
  .filter((name) => name.endsWith('.raw'))
  .sort()
  .map((name) => ({ width, height, stride: width, pixelFormat: 'BayerRG8', data: readFileSync(join(folder, name)) }));

/** CPU time of the camera thread so far, ms. */
function cpuMs() {
  for (const task of readdirSync('/proc/self/task')) {
    if (readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim() !== 'verdictd-camera') continue;
    return Number(readFileSync(`/proc/self/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  }
  throw new Error('there is no camera thread');
}

const ring = native().createRing({ slots: 4, width: input.width, height: input.height });
let done;
const camera = new (native().Camera)({ backend: 'pushed' }, (event) => {
  if (event.kind === 'fault') throw new Error(event.detail);
  if (event.kind === 'frame') {
    ring.release(event.slot, event.lease);
    done();
  }
});
await camera.open();
await camera.start({ ring: ring.id, input, thumbnailWidth });
let tag = 0;
const one = (frame) =>
  new Promise((resolve) => {
    done = resolve;
    camera.push(frame, ++tag, 0);
  });

const ms = [];
for (let round = 0; round <= rounds; round++) {
  const before = cpuMs();
  for (const frame of frames) await one(frame);
  if (round > 0) ms.push((cpuMs() - before) / frames.length); // the first one warms up
}
await camera.close();
console.log(JSON.stringify({ ms: ms.sort((a, b) => a - b)[Math.floor(ms.length / 2)] }));
