// The inference engine as the station holds it, in a process of its own: carries out the steps given, prints what came of each.
const { existsSync } = require('node:fs');
const { join } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const job = JSON.parse(process.argv[2]);
const dist = (file) => require(join(job.root, 'dist', file));
const { systemClock } = dist('clock.js');
const { createDiagnostics } = dist('diagnostics.js');
const { Engine } = dist('inspect/engine.js');
const { EngineCache } = dist('inspect/engine_cache.js');

const diagnostics = createDiagnostics('silent');
const progress = [];
const engines = new EngineCache(job.cache, { diagnostics, progress: (text) => progress.push(text) });
const tensor = (_, { width, height }) => Promise.resolve(new Float32Array(3 * width * height).fill(0.5));
const engine = new Engine({ providers: job.providers, threads: 1, ping: 100 }, { clock: systemClock, diagnostics, tensor, engines });
const count = 3 * job.bundles[0].manifest.input.width ** 2;

async function step(what) {
  if (typeof what === 'number') {
    let ticks = 0;
    let signs = 0;
    let last = engine.alive();
    const timer = setInterval(() => {
      ticks++;
      if (engine.alive() !== last) signs++;
      last = engine.alive();
    }, 20);
    try {
      const { job: number, provider, rung, refusals } = await engine.load(job.bundles[what], null);
      const run = () => engine.run(number, { data: new Float32Array(count).fill(0.25) }, systemClock.now() + 20_000, 'none');
      return { provider, rung, refusals, score: (await run()).score, ticks, signs };
    } finally {
      clearInterval(timer);
    }
  }
  if (what === 'kill') {
    const { restarts } = engine;
    void engine.client.worker.terminate();
    while (engine.restarts === restarts || engine.state !== 'up') await sleep(20);
    const { provider, rung, refusals } = engine.loaded;
    return { provider, rung, refusals };
  }
  if (what === 'stop while it builds') {
    const loading = engine.load(job.bundles[0], null).catch((thrown) => thrown.code);
    while (!existsSync(job.pids)) await sleep(20);
    await sleep(100);
    await engine.stop(systemClock.now() + 10_000);
    return { loading: await loading, ending: engine.ending };
  }
  throw new Error(what);
}

async function main() {
  engine.start();
  const told = [];
  for (const what of job.steps) told.push(await step(what).catch(({ code, message }) => ({ code, message })));
  console.log(JSON.stringify({ told, progress }));
  await engine.stop(systemClock.now() + 10_000);
}

void main();
