/** Several recipes behind one model: none changes another's scores, and a new worker has them all. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import type { Engine } from '../../src/inspect/engine';
import { Bench, bundleOf, filled, recipeOf, soon } from './models';

const bench = new Bench();
afterAll(() => bench.close());

async function kill(engine: Engine): Promise<void> {
  await (Reflect.get(Reflect.get(engine, 'client') as object, 'worker') as Worker).terminate(); // idle: nothing native runs in it
}

test('no model yet, an altered bank, a load that was given up: refused, and what ran before still runs', async () => {
  const engine = bench.engine();
  const kept = recipeOf(bench.dir, 'kept');
  await expect(engine.beside(kept)).rejects.toMatchObject({ code: 'INFERENCE_FAILED' });
  const { job: base } = await engine.load(bundleOf(bench.dir, 'model'), null);
  const wrong = { ...kept, file: { ...kept.file, bank: { ...kept.file.bank, sha256: 'f'.repeat(64) } } };
  await expect(engine.beside(wrong)).rejects.toMatchObject({ code: 'RECIPE_REFUSED' });
  const { job } = await engine.beside(kept);
  const { score } = await engine.run(job, { data: filled(0.5).data }, soon(), 'none');
  await engine.drop(job);
  await expect(engine.run(job, filled(0.5), soon(), 'none')).rejects.toThrow(`the call is for load ${job}`);
  expect(score).toBeCloseTo(5, 4);
  expect((await engine.run(base, filled(0.5), soon(), 'none')).score).toBeCloseTo(0.5);
});

test('a second recipe changes no bit of the first; each says of a part what it says alone; after a restart too', async () => {
  const engine = bench.engine();
  await engine.load(bundleOf(bench.dir, 'both'), null);
  const { job: one } = await engine.beside(recipeOf(bench.dir, 'one'));
  const alone = await engine.run(one, filled(0.3), soon(), 'none');
  expect(alone.compared).toBeUndefined();
  const { job: two } = await engine.beside(recipeOf(bench.dir, 'two', 'tokens', 12, 7));
  const other = await engine.run(two, filled(0.3), soon(), 'none');
  expect(other.score).not.toBe(alone.score);
  const both = await engine.run(one, filled(0.3), soon(), 'none', [two]);
  expect(both.score).toBe(alone.score);
  expect(both.compared).toEqual({ own: alone.score, others: [{ job: two, score: other.score }] });
  const restarts = engine.restarts;
  await kill(engine);
  while (engine.restarts === restarts || engine.reviving) await sleep(20);
  expect((await engine.run(one, filled(0.3), soon(), 'none')).score).toBe(alone.score);
  expect((await engine.run(two, filled(0.3), soon(), 'none')).score).toBe(other.score);
});
