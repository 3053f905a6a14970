import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { Bench, bundleOf, filled, soon } from './models';

const bench = new Bench();
afterAll(() => bench.close());

// In a file of its own: no other engine keeps onnxruntime's library loaded here.
test('the only worker of the process dies while idle: the next one loads the same job and serves', async () => {
  const engine = bench.engine({ ping: 60_000 });
  const { job } = await engine.load(bundleOf(bench.dir, 'alone'), null);
  for (const round of [1, 2]) {
    const client = Reflect.get(engine, 'client') as object;
    await (Reflect.get(client, 'worker') as Worker).terminate(); // idle: nothing native runs in it
    while (engine.restarts < round) await sleep(5);
    expect((await engine.run(job, filled(round), soon(), 'none')).score).toBe(round);
  }
});

test('an engine after the last has stopped', async () => {
  for (const round of [1, 2]) {
    const engine = bench.engine();
    const { job } = await engine.load(bundleOf(bench.dir, `round-${round}`), null);
    expect((await engine.run(job, filled(round), soon(), 'none')).score).toBe(round);
    await engine.stop(soon());
    expect(engine.ending).toBe(0);
  }
});
