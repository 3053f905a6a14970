// Ends workers in mid-flow, again and again, at moments that wander; also while the main thread holds views of their rings.
const { join } = require('node:path');
const { Worker } = require('node:worker_threads');
require('../../../dist/native.js').native();

const rounds = Number(process.argv[2]);
async function round(i) {
  const worker = new Worker(join(__dirname, 'flow.cjs'), { workerData: {} });
  await new Promise((resolve, reject) => {
    worker.on('error', reject);
    if (i % 4 === 0) setTimeout(resolve, (i * 7) % 60);
    else worker.on('message', (frames) => frames >= 10 * (i % 4) && resolve());
  });
  await worker.terminate();
}
async function main() {
  for (let i = 0; i < rounds; i += 2) await Promise.all([round(i), round(i + 1)]);
  console.log(JSON.stringify({ rounds, threads: require('node:fs').readdirSync('/proc/self/task').length }));
}
main().catch((error) => {
  throw error;
});
