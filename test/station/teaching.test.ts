/** What a lesson holds in memory. */
import { PushedCamera } from '../../src/camera/pushed';
import { systemClock } from '../../src/clock';
import { Code } from '../../src/codes';
import type { Report } from '../../src/line/line';
import type { Frame, Plan } from '../../src/ports';
import { Teaching } from '../../src/station/teaching';
import { configure, folder } from './support';

const data = folder();
afterAll(() => data.remove());
const side = 64;
const input = { width: side, height: side, resize: 'bicubic', fit: 'squash', mean: [0, 0, 0], std: [1, 1, 1] } as const;

async function begun(): Promise<{ teaching: Teaching; plan: Plan; shown: () => { sample: unknown }[] }> {
  const teaching = new Teaching({
    ...{ config: configure({}), dataDir: data.dir, engine: {} as never },
    model: { bundle: { sha256: 'b'.repeat(64), manifest: { input } }, job: 1 } as never,
    frames: () => null,
    values: () => Promise.resolve({}),
  });
  const { plan } = await teaching.start({ recipe: 'plate', shots: 4, heldOut: 0 });
  return { teaching, plan, shown: () => (teaching as unknown as { seen: { sample: unknown }[] }).seen };
}

const answered = (plan: Plan, n: number) =>
  ({ verdict: { code: Code.teaching, detail: '', part: { recipe: plan.recipe, resultId: `R${n}` } } }) as unknown as Report;

test('a part that is left out keeps no picture; one that is taken does', async () => {
  const { teaching, plan, shown } = await begun();
  const camera = new PushedCamera({ slots: 4, thumbnailWidth: 64, simulated: true });
  camera.start(plan);
  const pushed = (async () => {
    for (const grey of [0, 0, 120]) {
      const data = new Uint8Array(side * side * 3).map((_, i) => (grey === 0 ? 0 : grey + ((i >> 4) % 7) * 9));
      const image = { width: side, height: side, stride: side * 3, pixelFormat: 'RGB8' as const, data };
      await camera.push(image, { source: null, truth: null, exposed: systemClock.now() });
    }
    camera.end();
  })();
  let n = 0;
  for await (const shot of camera.exposures()) {
    await teaching.part(answered(plan, ++n), shot as Frame);
    (shot as Frame).release();
  }
  await pushed;
  await camera.stop(systemClock.now() + 1_000);
  expect(teaching.status().seen.map(({ kept }) => kept)).toEqual([false, false, true]);
  expect(shown().map(({ sample }) => sample !== null)).toEqual([false, false, true]);
});

test('of parts that are left out for hours the latest are remembered, under their numbers', async () => {
  const { teaching, plan } = await begun();
  for (let n = 1; n <= 700; n++) await teaching.part(answered(plan, n), null);
  const { seen } = teaching.status();
  expect([seen.length, seen.at(-1)?.n, seen.at(-1)?.resultId]).toEqual([512, 700, 'R700']);
});
