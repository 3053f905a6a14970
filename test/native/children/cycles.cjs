// Start, frames, stop, many times: slots come back, memory does not grow. Prints what is left after each tenth.
const { PushedCamera } = require('../../../dist/camera/pushed.js');
const { openRing } = require('../../../dist/native.js');

const cycles = Number(process.argv[2]);
const input = { width: 256, height: 256, resize: 'bicubic', fit: 'squash', mean: [0, 0, 0], std: [1, 1, 1] };
const [width, height] = [1280, 960];
const image = { width, height, stride: width, pixelFormat: 'BayerRG8', data: new Uint8Array(width * height).fill(90) };
const far = 1e12;

/** One camera from start to stop; every second one is stopped with frames unread and pictures unpushed. */
async function cycle(i) {
  const camera = new PushedCamera({ simulated: true, slots: 4 });
  camera.start({ id: i + 1, recipe: { id: 'cycle', number: 1 }, input, camera: {} });
  const pushes = Array.from({ length: 8 }, () => camera.push(image, { source: null, truth: null, exposed: 1 }).catch(() => undefined));
  let ring;
  let frames = 0;
  for await (const frame of camera.exposures()) {
    ring = openRing(frame.ring);
    if (frames === 0) ring.tensor(frame.slot);
    frame.release();
    if (++frames === (i % 2 === 0 ? 8 : 3)) break;
  }
  await camera.stop(far);
  await Promise.all(pushes);
  if (ring.free !== ring.slots) throw new Error(`cycle ${i}: ${ring.free} of ${ring.slots} slots are free`);
}

async function main() {
  const rss = [];
  for (let i = 0; i < cycles; i++) {
    await cycle(i);
    if ((i + 1) % (cycles / 10) === 0) {
      global.gc();
      await new Promise((resolve) => setImmediate(resolve));
      global.gc();
      rss.push(Math.round(process.memoryUsage().rss / 2 ** 20));
    }
  }
  console.log(JSON.stringify({ rss, threads: require('node:fs').readdirSync('/proc/self/task').length }));
}
main().catch((error) => {
  throw error;
});
