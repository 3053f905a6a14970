import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { defaultBundleDir, loadBundle } from '../../src/bundle/load';
import { gaborPairs, quantum } from '../../src/bundle/texture/filters';
import { goldenPicture } from '../../src/bundle/texture/golden';
import { makeTexture } from '../../src/bundle/texture/make';
import { decodeImage } from '../../src/camera/images';

test('the committed bundle is what its script makes, byte for byte', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'verdictd-texture-'));
  try {
    await makeTexture(dir);
    expect(readdirSync(dir).sort()).toEqual(readdirSync(defaultBundleDir()).sort());
    for (const name of readdirSync(dir))
      expect(readFileSync(join(dir, name)).equals(readFileSync(join(defaultBundleDir(), name)))).toBe(true);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('filters see no brightness, have unit energy, and are the same on every machine', () => {
  const size = 9;
  const bank = gaborPairs(8, 3.5, size);
  for (let i = 0; i < 16; i++) {
    const filter = bank.subarray(i * size * size, (i + 1) * size * size);
    expect(filter.reduce((sum, v) => sum + v, 0)).toBeCloseTo(0, 4);
    expect(filter.reduce((sum, v) => sum + v * v, 0)).toBeCloseTo(1, 4);
    for (const v of filter) expect(Number.isInteger(v / quantum)).toBe(true);
  }
});

test('the golden picture decodes to its own pixels and scores what the manifest says', async () => {
  const { manifest, goldenPath, modelPath } = await loadBundle(null);
  const { width, height, mean, std } = manifest.input;
  const picture = await decodeImage(goldenPath);
  expect([picture.width, picture.height]).toEqual([width, height]);
  expect(Buffer.from(picture.data).equals(Buffer.from(goldenPicture(width)))).toBe(true);
  const input = new Float32Array(3 * width * height);
  picture.data.forEach((value, at) => {
    const c = at % 3;
    input[c * width * height + Math.floor(at / 3)] = (value / 255 - (mean[c] ?? 0)) / (std[c] ?? 1);
  });
  const session = await InferenceSession.create(modelPath, { executionProviders: ['cpu'], intraOpNumThreads: 1 });
  const run = async (data: Float32Array): Promise<{ score: number; map: Float32Array }> => {
    const found = await session.run({ image: new Tensor('float32', data, [1, 3, height, width]) });
    return { score: Number(found.score?.data[0]), map: found.map?.data as Float32Array };
  };
  const golden = await run(input);
  expect(Math.abs(golden.score - manifest.golden.score)).toBeLessThanOrEqual(manifest.golden.tolerance);
  // Flat black, flat white and noise: finite too.
  for (const flat of [-1, 1]) {
    const { score, map } = await run(new Float32Array(input.length).fill(flat));
    expect(Number.isFinite(score) && map.every(Number.isFinite)).toBe(true);
  }
  await session.release();
});
