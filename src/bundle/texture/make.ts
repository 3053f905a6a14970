/** Makes the default bundle. Run by models/make-texture.mjs; makes the same bytes every time. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { sha256 } from '../../hash';
import { manifestName, modelName } from '../load';
import { type Manifest, manifestSchema } from '../manifest';
import { goldenPicture, storedPng } from './golden';
import { textureGraph } from './graph';
import { grid, texture } from './settings';

const mean = 0.5;
const std = 0.5;
const goldenName = 'golden.png';
/** Wide enough for half precision, narrow enough that another picture or another filter shows. */
const tolerance = 0.01;

/** Writes manifest.json, model.onnx and golden.png into `dir`. */
export async function makeTexture(dir: string): Promise<Manifest> {
  const model = textureGraph().toBuffer();
  const picture = goldenPicture(texture.size);
  const files = { [modelName]: model, [goldenName]: storedPng(picture, texture.size, texture.size) };
  const probed = await probe(model, picture);
  const { size, cell, orientations, angles, levels, wavelength, kernel, around, floor, top, sigma } = texture;
  const manifest = manifestSchema.parse({
    format: 1,
    name: 'texture',
    version: '2.0.0',
    method: 'texture',
    kind: 'texture',
    bootstrap: true,
    files: Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, { sha256: sha256(bytes), bytes: bytes.length }])),
    input: { name: 'image', width: size, height: size, resize: 'bicubic', fit: 'squash', mean: [mean, mean, mean], std: [std, std, std] },
    outputs: { score: 'score', map: 'map', probabilities: null },
    taps: [{ name: 'tokens', rows: grid, columns: grid, dim: probed.dim }],
    settings: {
      about:
        'Bootstrap model: a fixed filter bank, nothing learned, no AD-CLIP. Without a recipe its score says only how far the oddest patches lie from the average patch of the same picture; teach a recipe to judge parts.',
      cell,
      orientations,
      angles,
      levels,
      wavelength,
      kernel,
      around,
      floor,
      bankDistance: 'whitened',
      bankTop: top,
      mapSigma: sigma,
      mapAlignCorners: false,
    },
    sources: [],
    golden: { image: goldenName, score: probed.score, tolerance },
  } satisfies Manifest);
  mkdirSync(dir, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(dir, name), bytes);
  writeFileSync(join(dir, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

/** Score of the golden picture on the CPU, to three decimals (processors differ in the last bits), and the tokens' dimension. */
async function probe(model: Buffer, picture: Uint8Array): Promise<{ score: number; dim: number }> {
  const { size } = texture;
  const input = new Float32Array(3 * size * size);
  picture.forEach((value, at) => {
    input[(at % 3) * size * size + Math.floor(at / 3)] = (value / 255 - mean) / std;
  });
  const session = await InferenceSession.create(model, { executionProviders: ['cpu'], intraOpNumThreads: 1 });
  try {
    const { score, tokens } = await session.run({ image: new Tensor('float32', input, [1, 3, size, size]) });
    const value = Number(score?.data[0]);
    if (!Number.isFinite(value)) throw new Error(`the golden picture scored ${value}`);
    return { score: Math.round(value * 1000) / 1000, dim: tokens?.dims[2] ?? 0 };
  } finally {
    await session.release();
  }
}
