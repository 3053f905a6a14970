/** CLIP's vision transformer as a graph: from the preprocessed picture to the class token and the tapped tokens. */
import { toTokens } from '../onnx/blocks';
import type { Graph, Value } from '../onnx/graph';
import { add, conv, matMul, slice } from '../onnx/ops';
import { as, type Block, dualBlock, normed } from '../onnx/transformer';
import type { ClipConfig } from './clip_config';
import type { Activation } from './clip_names';
import { type Interpolation, interpolatePositions } from './positions';
import type { Weights } from './weights';

export interface Vision {
  config: ClipConfig['visual'];
  activation: Activation;
  /** Side of the picture, px; patches at the right and lower border that are not whole are never seen, as a convolution without padding has it. */
  size: number;
  interpolation: Interpolation;
}

export const gridOf = ({ config, size }: Pick<Vision, 'config' | 'size'>): number => Math.floor(size / config.patch);

/** Class token and patches with their positions, before ln_pre: image [1,3,S,S] -> [1, 1+G*G, width]. */
export function embedImage(image: Value, weights: Weights, vision: Vision): Value {
  const { graph } = weights;
  const { width, patch, grid: trained } = vision.config;
  const grid = gridOf(vision);
  const convolved = conv(as(image, weights.arithmetic), weights.direct('visual.conv1.weight'), null, { stride: patch });
  const patches = as(toTokens(convolved), 'float32');
  const table = interpolatePositions(weights.tensor('visual.positional_embedding').read(), width, trained, grid, vision.interpolation);
  const first = weights.tensor('visual.class_embedding').read();
  for (let i = 0; i < width; i++) first[i] = (first[i] ?? 0) + (table[i] ?? 0);
  const positions = graph.weight('positions', [1, grid * grid, width], table.slice(width));
  return concatRows(graph, graph.weight('class_token', [1, 1, width], first), add(patches, positions));
}

function concatRows(graph: Graph, a: Value, b: Value): Value {
  const [n = 0, rows = 0, width = 0] = b.shape;
  return graph.node('Concat', [a, b], [n, rows + (a.shape[1] ?? 0), width], { axis: { int: 1 } });
}

export interface Taps {
  /** Blocks after which tokens are taken, counted from 1. */
  after: readonly number[];
  /** First block of the V-V path, counted from 1; null: none. Taps from there on are of that path. */
  dualFrom: number | null;
}

export interface Seen {
  /** Class token of the ordinary path after the last block [b,1,width], no norm, no projection. */
  classToken: Value;
  /** All tokens [b,n,width] after each block of `after`, in its order. */
  tapped: Value[];
}

/**
 * The blocks on embedded tokens [b,n,width]. Nothing is computed that nobody reads: no V-V path after its last tap, and of the last
 * block's ordinary path the class token only, unless it is tapped.
 */
export function runBlocks(embedded: Value, weights: Weights, vision: Vision, taps: Taps): Seen {
  const { layers, heads } = vision.config;
  const lastTap = Math.max(0, ...taps.after);
  const kept = new Map<number, Value>();
  let ordinary = normed(embedded, weights.norm('visual.ln_pre'));
  let dual: Value | null = null;
  for (let i = 1; i <= layers; i++) {
    const block: Block = weights.block(`visual.transformer.resblocks.${i - 1}`, heads, vision.activation);
    const isDual = taps.dualFrom !== null && i >= taps.dualFrom && i <= lastTap;
    const classOnly = i === layers && (isDual || !taps.after.includes(i));
    const out = dualBlock(ordinary, block, { classOnly, dual: isDual ? (dual ?? ordinary) : null });
    ordinary = out.ordinary;
    dual = out.dual;
    if (taps.after.includes(i)) kept.set(i, dual ?? ordinary);
  }
  const tapped = taps.after.flatMap((i) => kept.get(i) ?? []);
  return { classToken: slice(ordinary, 1, 0, 1), tapped };
}

/** Rows 1..n: the patches. */
export const patchesOf = (tokens: Value): Value => slice(tokens, 1, 1, tokens.shape[1] ?? 0);

/** Into the joint space: [.., width] @ visual.proj -> [.., embed], after ln_post where `post`. float32 throughout. */
export function project(tokens: Value, weights: Weights, post: boolean): Value {
  return matMul(post ? normed(tokens, weights.norm('visual.ln_post')) : tokens, weights.plain('visual.proj'));
}
