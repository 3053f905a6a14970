// Weights of full size that nobody has to download: numbers from a formula, in files as OpenAI and the authors lay them out.
import { closeSync, openSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';

const { expectedShapes } = createRequire(import.meta.url)('../../dist/build/clip_config.js');

/** ViT-L/14@336. */
export const large = {
  embed: 768,
  visual: { width: 1024, layers: 24, heads: 16, mlp: 4096, patch: 14, grid: 24, imageSize: 336 },
  text: { width: 768, layers: 12, heads: 12, mlp: 3072, context: 77, vocabulary: 49408 },
};
/** ViT-B/32. */
export const base = {
  embed: 512,
  visual: { width: 768, layers: 12, heads: 12, mlp: 3072, patch: 32, grid: 7, imageSize: 224 },
  text: { width: 512, layers: 12, heads: 8, mlp: 2048, context: 77, vocabulary: 49408 },
};

const normalIds = [49406, ...Array(12).fill(343), 14115, 269, 49407];
const anomalousIds = [49406, ...Array(12).fill(343), 13568, 14115, 269, 49407];

/** Formula weights: the counter hash of a tensor's name, see the reference vectors' README. */
function formula(name, count, offset, scale, from = 0) {
  let h = 0x811c9dc5;
  for (const byte of Buffer.from(name)) h = Math.imul(h ^ byte, 0x01000193);
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    let x = (h + Math.imul(from + i, 0x9e3779b9)) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    out[i] = offset + scale * (((x ^ (x >>> 16)) >>> 0) / 2 ** 31 - 1);
  }
  return out;
}

function rangeOf(name, shape) {
  const last = shape.at(-1) ?? 1;
  const rules = [
    [/^logit_scale$/, Math.log(1 / 0.07), 0],
    [/ln_\w+\.weight$/, 1, 0.2],
    [/ln_\w+\.bias$/, 0, 0.1],
    [/(\.bias|in_proj_bias)$/, 0, 0.05],
    [/^token_embedding\.weight$/, 0, 0.5],
    [/^positional_embedding$/, 0, 0.3],
    [/^visual\.(positional|class)_embedding$/, 0, 1],
    [/^visual\.conv1\.weight$/, 0, 3 / Math.sqrt(3 * last * last)],
    [/in_proj_weight$/, 0, 3 / Math.sqrt(last)],
    [/^(visual\.proj|text_projection)$/, 0, 1.7 / Math.sqrt(shape[0] ?? 1)],
    [/^/, 0, 1.7 / Math.sqrt(last)],
  ];
  return rules.find(([pattern]) => pattern.test(name)).slice(1);
}

/** safetensors, tensor by tensor. */
function writeTensors(path, tensors) {
  let at = 0;
  const header = {};
  for (const [name, { shape, dtype }] of tensors) {
    const bytes = shape.reduce((n, side) => n * side, 4);
    header[name] = { dtype, shape, data_offsets: [at, at + bytes] };
    at += bytes;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = openSync(path, 'wx');
  const put = (bytes) => {
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
  };
  put(length);
  put(text);
  for (const [, { data }] of tensors) {
    const array = data();
    put(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }
  closeSync(file);
}

function tokenTable(config) {
  const { width } = config.text;
  const table = new Float32Array(config.text.vocabulary * width);
  for (const id of new Set([0, ...normalIds, ...anomalousIds]))
    table.set(formula('token_embedding.weight', width, 0, 0.5, id * width), id * width);
  return table;
}

/** A CLIP model of this shape as safetensors with OpenAI's names. */
export function writeClip(path, config) {
  const tensors = new Map();
  for (const [name, shape] of expectedShapes(config)) {
    const count = shape.reduce((n, side) => n * side, 1);
    const data = name === 'token_embedding.weight' ? () => tokenTable(config) : () => formula(name, count, ...rangeOf(name, shape));
    tensors.set(name, { shape, dtype: 'F32', data });
  }
  writeTensors(path, tensors);
}

/** A prompt learner for it: 12 context tokens, depth 9, 4 deep tokens. */
export function writeAdapter(path, config) {
  const d = config.text.width;
  const tensors = new Map();
  const put = (name, shape, data, dtype = 'F32') => tensors.set(`prompt_learner.${name}`, { shape, dtype, data: () => data });
  const learned = (name, rows) => formula(`prompt_learner.${name}`, rows * d, 0, 0.5);
  const row = (id) => formula('token_embedding.weight', d, 0, 0.5, id * d);
  for (const [which, ids] of [
    ['pos', normalIds],
    ['neg', anomalousIds],
  ]) {
    const all = [...ids, ...Array(77 - ids.length).fill(0)];
    const suffix = new Float32Array(64 * d);
    for (const [i, id] of all.slice(13).entries()) suffix.set(row(id), i * d);
    put(`ctx_${which}`, [1, 1, 12, d], learned(`ctx_${which}`, 12));
    put(`token_prefix_${which}`, [1, 1, 1, d], row(ids[0]));
    put(`token_suffix_${which}`, [1, 1, 64, d], suffix);
    put(`tokenized_prompts_${which}`, [1, 1, 77], Int32Array.from(all), 'I32');
  }
  for (let i = 0; i < 8; i++) put(`compound_prompts_text.${i}`, [4, d], learned(`compound_prompts_text.${i}`, 4));
  writeTensors(path, tensors);
}
