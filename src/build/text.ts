/**
 * CLIP's text tower, run once at build time: prompts become two vectors that are baked into the graph. The attention is causal, so
 * nothing behind the end token reaches it: sequences are cut there, which gives the same numbers for a fraction of the work.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { VerdictdError } from '../errors';
import { Graph } from '../onnx/graph';
import { throughHalf } from '../onnx/half';
import { add, concat, matMul, slice } from '../onnx/ops';
import { normed, ordinaryBlock } from '../onnx/transformer';
import type { ClipWeights } from './clip_names';
import type { MethodInput } from './method';
import { type Ensemble, prompts } from './prompts';
import { quoted, refuse } from './refuse';
import { runtime } from './runtime';
import type { TextPair } from './scoring';
import { Weights } from './weights';

/** One prompt before positions are added. */
export interface Prompt {
  rows: Float32Array; // [length, text width]
  /** Place of the end token; length = end + 1. */
  end: number;
}

export interface TextTower {
  clip: ClipWeights;
  where: string; // the CLIP file, for messages
  scratch: string; // folder for a file that is removed again
  signal: AbortSignal;
  /** Called with the number of prompts done. */
  progress?: (n: number) => void;
}

const batchSize = 16;
const far = -1e9; // added to similarities with later tokens: their weight is exactly 0

/**
 * Raw text features (ln_final, text_projection; not of length 1), one [embed] a prompt.
 * `deep[i]` [m, width]: learned tokens that replace rows 1..m before block i + 1, rounded to half precision as AnomalyCLIP does.
 */
export async function encodeText(
  tower: TextTower,
  sequences: readonly Prompt[],
  deep: readonly Float32Array[] = [],
): Promise<Float32Array[]> {
  const { clip } = tower;
  const length = Math.max(...sequences.map(({ end }) => end + 1));
  const { context, width } = clip.config.text;
  if (length > context) throw new VerdictdError('INTERNAL', `a prompt of ${length} tokens for a text tower of ${context}`);
  const batch = Math.min(batchSize, sequences.length);
  const path = join(tower.scratch, `.text-${randomBytes(6).toString('hex')}.onnx`);
  let session: InferenceSession | null = null;
  try {
    textGraph(clip, tower.where, batch, length, deep).writeFile(path);
    session = await runtime().InferenceSession.create(path, { executionProviders: ['cpu'], logSeverityLevel: 3 });
    const features: Float32Array[] = [];
    for (let from = 0; from < sequences.length; from += batch) {
      tower.signal.throwIfAborted();
      const group = sequences.slice(from, from + batch);
      const rows = new Float32Array(batch * length * width);
      const ends = new Float32Array(batch * length);
      group.forEach((prompt, i) => {
        rows.set(prompt.rows, i * length * width);
        ends[i * length + prompt.end] = 1;
      });
      const { Tensor } = runtime();
      const { features: found } = await session.run({
        rows: new Tensor('float32', rows, [batch, length, width]),
        ends: new Tensor('float32', ends, [batch, 1, length]),
      });
      const all = found?.data as Float32Array;
      const { embed } = clip.config;
      group.forEach((_, i) => void features.push(all.slice(i * embed, (i + 1) * embed)));
      tower.progress?.(group.length);
    }
    return features;
  } finally {
    await session?.release();
    rmSync(path, { force: true });
  }
}

/** Inputs `rows` [b,n,width], `ends` [b,1,n] (1 at the end token); output `features` [b,1,embed]. */
function textGraph(clip: ClipWeights, where: string, b: number, n: number, deep: readonly Float32Array[]): Graph {
  const { width, layers, heads } = clip.config.text;
  const graph = new Graph('text');
  const weights = new Weights(graph, clip.tensors, where, 'fp32');
  const rows = graph.input('rows', 'float32', [b, n, width]);
  const ends = graph.input('ends', 'float32', [b, 1, n]);
  const positions = graph.weight('positions', [n, width], weights.tensor('positional_embedding').narrow(0, n).read());
  const mask = graph.weight(
    'mask',
    [n, n],
    Float32Array.from({ length: n * n }, (_, at) => (at % n > Math.floor(at / n) ? far : 0)),
  );
  let x = add(rows, positions);
  for (let i = 0; i < layers; i++) {
    const learned = i === 0 ? undefined : deep[i - 1];
    if (learned !== undefined) {
      const m = learned.length / width;
      const copies = new Float32Array(b * learned.length);
      for (let at = 0; at < b; at++) copies.set(throughHalf(learned), at * learned.length);
      x = concat([slice(x, 1, 0, 1), graph.weight(`deep_${i}`, [b, m, width], copies), slice(x, 1, 1 + m, n)], 1);
    }
    x = ordinaryBlock(x, weights.block(`transformer.resblocks.${i}`, heads, clip.activation.value), mask);
  }
  const last = normed(matMul(ends, x), weights.norm('ln_final'));
  graph.output('features', matMul(last, weights.plain('text_projection')));
  return graph;
}

/** Rows of the token embedding for ids up to the end token, which is the largest id (authors: `tokens.argmax()`). */
export function embedTokens(clip: ClipWeights, where: string, ids: ArrayLike<number>): Prompt {
  const { width, vocabulary } = clip.config.text;
  const table = clip.tensors.get('token_embedding.weight');
  if (table === undefined) return refuse(where, `has no tensor ${quoted('token_embedding.weight')}`);
  let end = 0;
  for (let i = 1; i < ids.length; i++) if ((ids[i] ?? 0) > (ids[end] ?? 0)) end = i;
  const rows = new Float32Array((end + 1) * width);
  for (let i = 0; i <= end; i++) {
    const id = ids[i] ?? 0;
    if (id < 0 || id >= vocabulary)
      refuse(where, `has ${vocabulary} token rows, and a prompt uses token ${id}`, 'Give the CLIP model that belongs to these prompts.');
    rows.set(table.narrow(id, 1).read(), i * width);
  }
  return { rows, end };
}

/** Mean of vectors; of each brought to length 1 first where `unit`. */
export function meanOf(vectors: readonly Float32Array[], unit: boolean): Float32Array {
  const [first] = vectors;
  if (first === undefined) throw new VerdictdError('INTERNAL', 'the mean of no prompt');
  const sum = new Float64Array(first.length);
  for (const vector of vectors) {
    const scale = unit ? 1 / lengthOf(vector) : 1;
    for (const [i, v] of vector.entries()) sum[i] = (sum[i] ?? 0) + v * scale;
  }
  return Float32Array.from(sum, (v) => v / vectors.length);
}

function lengthOf(vector: Float32Array): number {
  return Math.sqrt(vector.reduce((sum, v) => sum + v * v, 0));
}

/** Of length 1. Throws CHECKPOINT_REFUSED for a vector of zeros, which no trained tower gives. */
export function unit(vector: Float32Array, where: string): Float32Array {
  const length = lengthOf(vector);
  if (!(length > 0 && Number.isFinite(length)))
    refuse(where, 'gives a text feature of length 0 or no number', 'Give trained CLIP weights.');
  return vector.map((v) => v / length);
}

/**
 * The two text features of a prompt ensemble about `object`, each the mean over its prompts (of features of length 1 where
 * `unitFirst`), brought to length 1. Throws USAGE without an object or a tokenizer, or for a name that makes too long a prompt.
 */
export async function encodeEnsemble(
  input: Pick<MethodInput, 'clip' | 'clipPath' | 'tokenizer' | 'text' | 'options'>,
  ensemble: Ensemble,
  unitFirst: boolean,
): Promise<TextPair> {
  const { clip, clipPath, tokenizer, options } = input;
  if (options.object === null || options.object.trim() === '')
    throw new VerdictdError('USAGE', 'The prompts of this method name the part: give --object NAME, for example --object "metal nut".');
  if (tokenizer === null)
    throw new VerdictdError(
      'USAGE',
      "The prompts of this method are words: give --tokenizer FILE, CLIP's bpe_simple_vocab_16e6.txt.gz or tokenizer.json.",
    );
  const object = options.object;
  const texts = [ensemble.normal, ensemble.anomalous].map((states) => prompts(states, ensemble.templates, object));
  const all = texts.flat().map((text) => embedTokens(clip, clipPath, tokenizer.tokenize(text, { length: clip.config.text.context })));
  const features = await encodeText(input.text, all);
  const count = texts[0]?.length ?? 0;
  return {
    normal: unit(meanOf(features.slice(0, count), unitFirst), clipPath),
    anomalous: unit(meanOf(features.slice(count), unitFirst), clipPath),
  };
}
