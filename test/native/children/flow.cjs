// Keeps frames flowing through a PushedCamera until somebody ends this thread or process. Run as a worker or as a process.
const { parentPort, isMainThread, workerData } = require('node:worker_threads');
const { PushedCamera } = require('../../../dist/camera/pushed.js');
const { openRing, preprocess, lockFile } = require('../../../dist/native.js');

const input = { width: 64, height: 64, resize: 'bicubic', fit: 'squash', mean: [0, 0, 0], std: [1, 1, 1] };
const [width, height] = [640, 480];
const image = { width, height, stride: width, pixelFormat: 'BayerRG8', data: new Uint8Array(width * height).fill(90) };

async function feed(camera) {
  for (;;) {
    await camera.push(image, { source: null, truth: null, exposed: 1 });
    preprocess(image, input).catch(() => undefined);
  }
}

async function main() {
  const camera = new PushedCamera({ simulated: true });
  camera.start({ id: 1, recipe: { id: 'flow', number: 1 }, input, camera: {} });
  feed(camera).catch(() => undefined);
  if (workerData?.lock !== undefined) lockFile(workerData.lock);
  let frames = 0;
  const held = [];
  for await (const frame of camera.exposures()) {
    openRing(frame.ring).tensor(frame.slot);
    held.push(frame);
    if (held.length > 3) held.shift().release();
    frames++;
    if (isMainThread && frames === 50) process.exit(0); // in mid-flow, leases out, pictures queued
    if (frames % 10 === 0) parentPort?.postMessage(frames);
  }
}
main().catch((error) => {
  throw error;
});
