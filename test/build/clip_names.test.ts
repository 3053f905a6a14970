import type { Checkpoint } from '../../src/build/checkpoint';
import { openCheckpoint } from '../../src/build/checkpoint';
import { type ClipConfig, expectedShapes, inferConfig } from '../../src/build/clip_config';
import { clipWeights } from '../../src/build/clip_names';
import { VerdictdError } from '../../src/errors';
import { safetensors, safetensorsOf, temporaryFolder } from './archives';
import { testWithVectors, unpacked } from './vectors';

const { abs, max } = Math; // a global is slow to reach inside jest
const folder = temporaryFolder();
afterAll(() => folder.remove());

type Weights = Map<string, { shape: readonly number[]; values: Float32Array }>;

const tiny: ClipConfig = {
  embed: 16,
  visual: { width: 64, layers: 2, heads: 1, mlp: 256, patch: 4, grid: 3, imageSize: 12 },
  text: { width: 64, layers: 1, heads: 1, mlp: 128, context: 77, vocabulary: 100 },
};

/** Distinct values everywhere, so that any mistaken row, column or order shows. */
function weightsOf(config: ClipConfig): Weights {
  let next = 0;
  return new Map(
    [...expectedShapes(config)].map(([name, shape]) => {
      const count = shape.reduce((a, b) => a * b, 1);
      return [name, { shape, values: Float32Array.from({ length: count }, () => next++) }];
    }),
  );
}

function transpose({ shape: [rows = 0, columns = 0], values }: { shape: readonly number[]; values: Float32Array }) {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c] ?? 0;
  return { shape: [columns, rows], values: out };
}

/** The same weights under the names and layouts of HuggingFace's CLIPModel. */
function huggingFace(openai: Weights): Weights {
  const parts: [RegExp, string][] = [
    [/^visual\.transformer\.resblocks\./, 'vision_model.encoder.layers.'],
    [/^transformer\.resblocks\./, 'text_model.encoder.layers.'],
    [/\.attn\.out_proj\./, '.self_attn.out_proj.'],
    [/\.ln_1\./, '.layer_norm1.'],
    [/\.ln_2\./, '.layer_norm2.'],
    [/\.c_fc\./, '.fc1.'],
    [/\.c_proj\./, '.fc2.'],
    [/^visual\.class_embedding$/, 'vision_model.embeddings.class_embedding'],
    [/^visual\.conv1\./, 'vision_model.embeddings.patch_embedding.'],
    [/^visual\.positional_embedding$/, 'vision_model.embeddings.position_embedding.weight'],
    [/^visual\.ln_pre\./, 'vision_model.pre_layrnorm.'],
    [/^visual\.ln_post\./, 'vision_model.post_layernorm.'],
    [/^token_embedding\./, 'text_model.embeddings.token_embedding.'],
    [/^positional_embedding$/, 'text_model.embeddings.position_embedding.weight'],
    [/^ln_final\./, 'text_model.final_layer_norm.'],
  ];
  const renamed: Weights = new Map();
  for (const [name, weight] of openai) {
    const to = parts.reduce((text, [pattern, by]) => text.replace(pattern, by), name);
    if (name === 'visual.proj') renamed.set('visual_projection.weight', transpose(weight));
    else if (name === 'text_projection') renamed.set('text_projection.weight', transpose(weight));
    else if (name.includes('.in_proj_')) {
      const third = weight.values.length / 3;
      const shape = [(weight.shape[0] ?? 0) / 3, ...weight.shape.slice(1)];
      // v before q and k: the order of the file must not matter
      for (const [letter, n] of [
        ['v', 2],
        ['q', 0],
        ['k', 1],
      ] as const) {
        const values = weight.values.slice(n * third, (n + 1) * third);
        renamed.set(to.replace(/\.attn\.in_proj_/, `.self_attn.${letter}_proj.`), { shape, values });
      }
    } else renamed.set(to, weight);
  }
  renamed.set('vision_model.embeddings.position_ids', { shape: [1, 2], values: Float32Array.of(0, 1) });
  renamed.set('text_model.embeddings.position_ids', { shape: [1, 2], values: Float32Array.of(0, 1) });
  return renamed;
}

function withFile<T>(weights: Weights, use: (checkpoint: Checkpoint) => T): T {
  const checkpoint = openCheckpoint(folder.write('clip.safetensors', safetensorsOf(weights)));
  try {
    return use(checkpoint);
  } finally {
    checkpoint.close();
  }
}

function expectSame(got: ReadonlyMap<string, { shape: readonly number[]; read(): Float32Array }>, expected: Weights): void {
  expect([...got.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, { shape, values }] of expected) {
    const tensor = got.get(name);
    expect([name, tensor?.shape]).toEqual([name, shape]);
    const read = tensor?.read() ?? new Float32Array();
    if (!Buffer.from(read.buffer).equals(Buffer.from(values.buffer, values.byteOffset, values.byteLength)))
      throw new Error(`${name} differs`);
  }
}

function refusalOf(change: (weights: Weights) => void, from = weightsOf(tiny)): VerdictdError {
  change(from);
  try {
    withFile(from, (checkpoint) => clipWeights(checkpoint));
  } catch (error) {
    if (error instanceof VerdictdError) return error;
    throw error;
  }
  throw new Error('was not refused');
}
const zeros = (...shape: number[]) => ({ shape, values: new Float32Array(shape.reduce((a, b) => a * b, 1)) });

test('each missing weight is named with its shape', () => {
  for (const [name, shape] of expectedShapes(tiny)) {
    const error = refusalOf((weights) => weights.delete(name));
    expect(error.code).toBe('CHECKPOINT_REFUSED');
    const text = [error.message, ...error.details].join('\n');
    if (name === 'visual.conv1.weight') expect(text).toContain('holds no CLIP vision transformer');
    else expect(text).toContain(name);
    if (shape.length > 0 && !/embedding|conv1|c_fc|text_projection/.test(name)) expect(text).toContain(`expected shape [${shape}]`);
  }
});

test('weights that misfit are listed, each with the shape it has and the one it should have', () => {
  const error = refusalOf((weights) => {
    weights.set('visual.proj', zeros(64, 17));
    weights.set('ln_final.bias', zeros(63));
    weights.set('visual.attnpool.c_proj.weight', zeros(2));
  });
  expect(error.message).toMatch(/visual\.proj has shape \[64,17\], expected shape \[64,16\] \(and 2 more\)/);
  expect(error.details).toEqual([
    'visual.proj has shape [64,17], expected shape [64,16]',
    'ln_final.bias has shape [63], expected shape [64]',
    '"visual.attnpool.c_proj.weight" has no place in a CLIP vision transformer',
  ]);
});

test.each<[string, (weights: Weights) => void, RegExp]>([
  ['a ResNet', (w) => w.set('visual.layer1.0.conv1.weight', zeros(1)), /ResNet/],
  ['no CLIP at all', (w) => w.delete('visual.conv1.weight'), /holds no CLIP vision transformer; its tensors are "visual\.class_embedding"/],
  ['patches that are not square', (w) => w.set('visual.conv1.weight', zeros(64, 3, 4, 5)), /patches are 4x5/],
  ['four colours', (w) => w.set('visual.conv1.weight', zeros(64, 4, 4, 4)), /\[64,4,4,4\], expected \[width,3,patch,patch\]/],
  ['a grid that is not square', (w) => w.set('visual.positional_embedding', zeros(12, 64)), /12 positions/],
  ['positions of another width', (w) => w.set('visual.positional_embedding', zeros(10, 32)), /\[10,32\], expected \[1\+grid\*grid,64\]/],
  [
    'a width that 64 does not divide',
    (w) => {
      w.set('visual.conv1.weight', zeros(96, 3, 4, 4));
      w.set('visual.positional_embedding', zeros(10, 96));
      w.set('visual.transformer.resblocks.0.mlp.c_fc.weight', zeros(4, 96));
    },
    /96 wide, no multiple of the head width 64/,
  ],
  [
    'a block that is left out',
    (w) => {
      for (const name of [...w.keys()])
        if (name.startsWith('visual.transformer.resblocks.1.')) {
          const weight = w.get(name);
          w.delete(name);
          if (weight) w.set(name.replace('.1.', '.5.'), weight);
        }
    },
    /no block "visual\.transformer\.resblocks\.1"/,
  ],
  [
    'text weights with and without prefix',
    (w) => {
      w.set('text.token_embedding.weight', zeros(100, 64));
    },
    /"token_embedding\.weight" with and without/,
  ],
])('%s is refused', (_name, change, says) => {
  expect(refusalOf(change).message).toMatch(says);
});

test('HuggingFace weights without a key projection or with a stray tensor are refused', () => {
  const missing = 'vision_model.encoder.layers.0.self_attn.k_proj.weight';
  expect(refusalOf((w) => w.delete(missing), huggingFace(weightsOf(tiny))).message).toContain(`but not "${missing}"`);
  const stray = refusalOf((w) => w.set('vision_model.encoder.layers.0.self_attn.scale', zeros(1)), huggingFace(weightsOf(tiny)));
  expect(stray.message).toContain('no place in a CLIP vision transformer');
  const vector = refusalOf((w) => w.set('visual_projection.weight', zeros(16)), huggingFace(weightsOf(tiny)));
  expect(vector.message).toContain('expected a matrix');
});

test('OpenAI, open_clip and HuggingFace names give the same weights', () => {
  const weights = weightsOf(tiny);
  withFile(weights, (checkpoint) => {
    const clip = clipWeights(checkpoint);
    expect(clip.config).toEqual(tiny);
    expect([clip.naming, clip.activation]).toEqual(['openai', { value: 'quickgelu', certain: false }]);
    expectSame(clip.tensors, weights);
  });
  const wrapped: Weights = new Map([...weights].map(([name, weight]) => [`state_dict.module.${name}`, weight]));
  wrapped.set('state_dict.module.attn_mask', zeros(2, 2));
  withFile(wrapped, (checkpoint) => expectSame(clipWeights(checkpoint).tensors, weights));
  const custom: Weights = new Map(
    [...weights].map(([name, weight]) => [name.startsWith('visual.') || name === 'logit_scale' ? name : `text.${name}`, weight]),
  );
  withFile(custom, (checkpoint) => {
    const clip = clipWeights(checkpoint);
    expect([clip.naming, clip.activation]).toEqual(['open_clip', { value: 'gelu', certain: false }]);
    expectSame(clip.tensors, weights);
  });
  withFile(huggingFace(weights), (checkpoint) => {
    const clip = clipWeights(checkpoint);
    expect(clip.naming).toBe('huggingface');
    expect(clip.config).toEqual(tiny);
    expectSame(clip.tensors, weights);
    const inProjection = clip.tensors.get('transformer.resblocks.0.attn.in_proj_weight');
    const expected = weights.get('transformer.resblocks.0.attn.in_proj_weight')?.values ?? new Float32Array();
    expect([...(inProjection?.chunks(100) ?? [])].flatMap((chunk) => [...chunk])).toEqual([...expected]);
    expect([...(inProjection?.narrow(60, 10).read() ?? [])]).toEqual([...expected.slice(60 * 64, 70 * 64)]);
  });
});

test.each<[string, ClipConfig]>([
  ['ViT-B/32', config(512, [768, 12, 32, 7], [512, 12])],
  ['ViT-B/16', config(512, [768, 12, 16, 14], [512, 12])],
  ['ViT-L/14@336', config(768, [1024, 24, 14, 24], [768, 12])],
  ['ViT-B-16-plus-240', config(640, [896, 12, 16, 15], [640, 12])],
])('%s: the measures come back from the shapes', (_name, expected) => {
  const shapes = new Map([...expectedShapes(expected)].map(([name, shape]) => [name, { shape }]));
  expect(inferConfig(shapes, 'test')).toEqual(expected);
});

function config(
  embed: number,
  [width = 0, layers = 0, patch = 0, grid = 0]: number[],
  [textWidth = 0, textLayers = 0]: number[],
): ClipConfig {
  const tower = (w: number, n: number) => ({ width: w, layers: n, heads: w / 64, mlp: 4 * w });
  return {
    embed,
    visual: { ...tower(width, layers), patch, grid, imageSize: patch * grid },
    text: { ...tower(textWidth, textLayers), context: 77, vocabulary: 49408 },
  };
}

test('heads that the weights do not tell are asked for, not guessed', () => {
  const h14 = config(1024, [1280, 32, 14, 16], [1024, 24]);
  const shapes = new Map([...expectedShapes(h14)].map(([name, shape]) => [name, { shape }]));
  expect(() => inferConfig(shapes, 'test')).toThrow(/1280 wide, and the weights do not tell how many heads/);
  expect(inferConfig(shapes, 'test', 80).visual.heads).toBe(16);
});

test('shapes that claim a giant are refused before a list of its weights is made', () => {
  const tower = 'visual.transformer.resblocks.';
  const shapes = new Map([...expectedShapes(tiny)].map(([name, shape]) => [name, { shape }]));
  for (let n = 0; n < 200; n++) shapes.set(`${tower}${n}.ln_1.weight`, { shape: [64] });
  expect(() => inferConfig(shapes, 'test')).toThrow(/has 200 blocks/);
  const header = { 'visual.conv1.weight': { dtype: 'U8', shape: [0, 3, 0, 0], data_offsets: [0, 0] } };
  const checkpoint = openCheckpoint(folder.write('nothing.safetensors', safetensors(header)));
  expect(() => clipWeights(checkpoint)).toThrow(/\[0,3,0,0\], expected \[width,3,patch,patch\]/);
  checkpoint.close();
});

testWithVectors('OpenAI TorchScript against the same weights in float32, and under HuggingFace names', () => {
  const script = openCheckpoint(folder.write('clip.pt', unpacked('openai-jit-tiny/tiny-openai-jit.pt.gz')));
  const plain = openCheckpoint(folder.write('plain.safetensors', unpacked('anomalyclip-tiny/clip.safetensors.gz')));
  const fromScript = clipWeights(script);
  const fromPlain = clipWeights(plain);
  expect(fromScript.activation).toEqual({ value: 'quickgelu', certain: true });
  expect(fromScript.config).toEqual(fromPlain.config);
  expect(fromPlain.config).toEqual({
    embed: 32,
    visual: { width: 128, layers: 4, heads: 2, mlp: 512, patch: 8, grid: 7, imageSize: 56 },
    text: { width: 64, layers: 3, heads: 1, mlp: 256, context: 77, vocabulary: 49408 },
  });
  const exact: Weights = new Map();
  for (const [name, tensor] of fromPlain.tensors) {
    const values = tensor.read();
    exact.set(name, { shape: tensor.shape, values });
    const other = fromScript.tensors.get(name);
    const half = other?.dtype === 'float16';
    other?.read().forEach((value, i) => {
      const expected = values[i] ?? Number.NaN;
      const tolerance = half ? max(abs(expected) * 2 ** -11, 2 ** -25) : 0;
      if (!(abs(value - expected) <= tolerance)) throw new Error(`${name}[${i}] is ${value}, expected ${expected}`);
    });
  }
  expect(exact.size).toBe(98);
  withFile(huggingFace(exact), (checkpoint) => expectSame(clipWeights(checkpoint).tensors, exact));
  script.close();
  plain.close();
});
