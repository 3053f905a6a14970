import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { defaultBundleDir, loadBundle } from '../../src/bundle/load';
import { gaborPairs, quantum, turnedPairs } from '../../src/bundle/texture/filters';
import { goldenPicture } from '../../src/bundle/texture/golden';
import { makeTexture } from '../../src/bundle/texture/make';
import { scattering } from '../../src/bundle/texture/scattering';
import { texture } from '../../src/bundle/texture/settings';
import { decodeImage } from '../../src/camera/images';
import { Graph } from '../../src/onnx/graph';
import { concat } from '../../src/onnx/ops';

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

test('turned pairs: the same filters, each group beginning with its own angle', () => {
  const one = 81;
  const pairs = gaborPairs(4, 3.5, 9);
  const turned = turnedPairs(4, 3.5, 9);
  const filter = (bank: Float32Array, i: number): string => bank.subarray(i * one, (i + 1) * one).join();
  for (let group = 0; group < 4; group++)
    for (let turn = 0; turn < 4; turn++) {
      expect(filter(turned, group * 8 + turn)).toBe(filter(pairs, (group + turn) % 4));
      expect(filter(turned, group * 8 + 4 + turn)).toBe(filter(pairs, 4 + ((group + turn) % 4)));
    }
});

/** The second order of a picture: [12, 32 x 32], four angles a pair of scales. */
async function secondOrder(at: (x: number, y: number) => number): Promise<Float32Array> {
  const { size } = texture;
  const graph = new Graph('scattering');
  graph.output('planes', concat(scattering(graph.input('luma', 'float32', [1, 1, size, size])).slice(-3), 1));
  const luma = Float32Array.from({ length: size * size }, (_, i) => at(i % size, Math.floor(i / size)));
  const session = await InferenceSession.create(graph.toBuffer(), { executionProviders: ['cpu'], intraOpNumThreads: 1 });
  const found = await session.run({ luma: new Tensor('float32', luma, [1, 1, size, size]) });
  await session.release();
  return found.planes?.data as Float32Array;
}

test('the second order stays when the picture is turned by a quarter, and knows how grain is laid out', async () => {
  const cells = 32 * 32;
  // stripes 3.5 px wide, in bands of 7 px: a grain whose strength changes along it, or across it
  const grain = (x: number, y: number, along: number): number =>
    Math.sin((2 * Math.PI * x) / 3.5) * (1 + Math.sin((2 * Math.PI * (along === 0 ? x : y)) / 7));
  const upright = await secondOrder((x, y) => grain(x, y, 0));
  const quarter = await secondOrder((x, y) => grain(y, x, 0));
  const across = await secondOrder((x, y) => grain(x, y, 1));
  const middle = (planes: Float32Array, plane: number): number => {
    let sum = 0;
    for (let y = 8; y < 24; y++) for (let x = 8; x < 24; x++) sum += (planes[plane * cells + y * 32 + x] ?? 0) / 256;
    return sum;
  };
  for (let plane = 0; plane < 12; plane++) {
    const own = middle(upright, plane);
    // mirrored at the diagonal: an angle becomes its opposite, so 1 and 3 change places
    const angle = plane % 4;
    const mirrored = plane - angle + ((4 - angle) % 4);
    expect(middle(quarter, mirrored)).toBeCloseTo(own, 2);
  }
  // first pair of scales: bands along the stripes' normal answer at angle 0, bands across it at angle 2 (90 degrees)
  expect(middle(upright, 0)).toBeGreaterThan(middle(upright, 2) + 0.5);
  expect(middle(across, 2)).toBeGreaterThan(middle(across, 0) + 0.5);
});
