/**
 * A recipe's memory bank as a second small ONNX model: patch tokens of the bundle in, calibrated score and map out.
 * Distance of a patch = whitened Euclidean (or cosine) distance to the nearest patch of the shots; score = mean of the most
 * distant share of patches (as AnomalyDINO, arXiv 2405.14529, with a share of the bundle's own); both divided by the shots'
 * own leave-one-out score, so that a good part lies near 1 whatever the product and one scale serves all.
 */
import type { Manifest } from '../bundle/manifest';
import { type BankChunk, nearestSquared, normalise, topMean, upsample } from '../onnx/blocks';
import { Graph, type Value } from '../onnx/graph';
import { add, concat, matMul, mul, reshape, sqrt, sub } from '../onnx/ops';
import { coreset, rowsFor } from './coreset';
import { type Mix, mixIn } from './mix';
import { lying, spreadOf } from './position';
import { type Whitening, whiten, whitening } from './whiten';

export type Tap = Manifest['taps'][number];

export interface BankSettings {
  distance: 'whitened' | 'cosine';
  /** Share (0..1) of the most distant patches whose mean is the score. */
  top: number;
  /** The map: model resolution, Gaussian in px, corners of the interpolation. */
  height: number;
  width: number;
  sigma: number;
  alignCorners: boolean;
}

/** From the manifest's settings `bankDistance`, `bankTop`, `mapSigma`, `mapAlignCorners`; else cosine, the top 1 %, 4 px, false. */
export function bankSettings({ settings, input }: Manifest): BankSettings {
  const { bankDistance, bankTop, mapSigma, mapAlignCorners } = settings;
  return {
    distance: bankDistance === 'whitened' ? 'whitened' : 'cosine',
    top: typeof bankTop === 'number' && bankTop > 0 && bankTop <= 1 ? bankTop : 0.01,
    height: input.height,
    width: input.width,
    sigma: typeof mapSigma === 'number' && mapSigma >= 0 && mapSigma < 100 ? mapSigma : 4,
    alignCorners: mapAlignCorners === true,
  };
}

/** What one tap learned from the shots: rows of chunk i are the tokens of shot i in all its symmetries, whitened or of length 1. */
export interface TapBank {
  tap: Tap;
  whitening: Whitening | null; // null: cosine
  /** Two more columns of every row: where the patch lies. Null: a patch may be anywhere. */
  places: Float32Array | null; // [rows*columns, 2]
  chunks: BankChunk[];
}

/** Columns of a row of the bank. */
export function widthOf({ tap, places }: TapBank): number {
  return tap.dim + (places === null ? 0 : 2);
}

/**
 * `shots[i]` holds the tokens of shot i, one array a symmetry, each [rows*columns, dim]; `tolerance`: see position.ts, null without.
 * Deterministic.
 */
export function learnTap(
  tap: Tap,
  shots: readonly (readonly Float32Array[])[],
  distance: BankSettings['distance'],
  tolerance: number | null = null,
): TapBank {
  const learned = distance === 'whitened' ? whitening(shots.flat(), tap.dim) : null;
  const chunks = shots.map((copies) => {
    const rows = new Float32Array(copies.reduce((sum, copy) => sum + copy.length, 0));
    let at = 0;
    for (const copy of copies) {
      rows.set(learned === null ? unitRows(copy, tap.dim) : whiten(copy, learned), at);
      at += copy.length;
    }
    return { rows, count: rows.length / tap.dim };
  });
  if (tolerance === null) return { tap, whitening: learned, places: null, chunks };
  const places = lying(tap, spreadOf(chunks, tap.dim), tolerance);
  return { tap, whitening: learned, places, chunks: chunks.map((chunk) => ({ ...chunk, rows: beside(chunk.rows, tap.dim, places) })) };
}

/** Every row with its place at its end; the places begin anew at each picture. */
function beside(rows: Float32Array, dim: number, places: Float32Array): Float32Array {
  const count = rows.length / dim;
  const wide = new Float32Array(count * (dim + 2));
  for (let row = 0; row < count; row++) {
    wide.set(rows.subarray(row * dim, (row + 1) * dim), row * (dim + 2));
    const at = (2 * row) % places.length;
    wide.set(places.subarray(at, at + 2), row * (dim + 2) + dim);
  }
  return wide;
}

function unitRows(x: Float32Array, dim: number): Float32Array {
  const y = new Float32Array(x.length);
  for (let at = 0; at < x.length; at += dim) {
    let sum = 0;
    for (let i = 0; i < dim; i++) sum += (x[at + i] ?? 0) ** 2;
    const scale = 1 / Math.sqrt(Math.max(sum, 1e-12));
    for (let i = 0; i < dim; i++) y[at + i] = (x[at + i] ?? 0) * scale;
  }
  return y;
}

function queries(graph: Graph, bank: TapBank): Value {
  const { tap, places } = bank;
  const features = featuresOf(graph, bank);
  if (places === null) return features;
  return concat([features, graph.weight(`${tap.name}_places`, [tap.rows * tap.columns, 2], places)], 1);
}

function featuresOf(graph: Graph, { tap, whitening: learned }: TapBank): Value {
  const patches = tap.rows * tap.columns;
  const tokens = reshape(graph.input(tap.name, 'float32', [1, patches, tap.dim]), [patches, tap.dim]);
  if (learned === null) return normalise(tokens);
  const centred = sub(tokens, graph.weight(`${tap.name}_mean`, [tap.dim], learned.mean));
  return matMul(centred, graph.weight(`${tap.name}_whitening`, [tap.dim, tap.dim], learned.transform));
}

/** Squared distance to the distance itself; of unit rows, half the square is 1 - cosine. */
function distanceOf(squared: Value, { whitening: learned }: TapBank): Value {
  return learned === null ? mul(squared, 0.5) : sqrt(squared);
}

/** Distances of every patch to every single shot: output `distances` [taps, shots, patches]. For the leave-one-out scale. */
export function distancesGraph(taps: readonly TapBank[]): Graph {
  const graph = new Graph('distances');
  const all = taps.map((bank) => {
    const each = nearestSquared(queries(graph, bank), bank.chunks, `${bank.tap.name}_bank`);
    return concat(
      each.map((squared) => reshape(distanceOf(squared, bank), [1, 1, ...squared.shape])),
      1,
    );
  });
  graph.output('distances', concat(all, 0));
  return graph;
}

/**
 * The bank. `weights[t]` multiplies the distances of tap t; their sum is the calibrated map. Outputs `score` [1], `map` [1,H,W]. With
 * `mix` the model's logit is one more input, after the taps.
 */
export function bankGraph(taps: readonly TapBank[], weights: readonly number[], settings: BankSettings, mix: Mix | null = null): Graph {
  const graph = new Graph('bank');
  const weighted = taps.map((bank, t) => {
    const [squared] = nearestSquared(queries(graph, bank), [joined(bank)], `${bank.tap.name}_bank`);
    if (squared === undefined) throw new Error('a bank without rows');
    return mul(distanceOf(squared, bank), weights[t] ?? 0);
  });
  const patches = weighted.reduce((sum, next) => add(sum, next));
  const [first] = taps;
  if (first === undefined) throw new Error('a bank without taps');
  const both = mix === null ? (score: Value): Value => score : mixIn(graph, mix);
  graph.output('score', both(topMean(reshape(patches, [1, ...patches.shape]), settings.top)));
  const map = reshape(patches, [1, first.tap.rows, first.tap.columns]);
  graph.output('map', both(upsample(map, settings.height, settings.width, settings)));
  return graph;
}

/** The bank's last step alone: calibrated distances `patches` [1, rows*columns] to `map` [1,H,W]. For the shots' own maps. */
export function mapGraph(tap: Tap, settings: BankSettings): Graph {
  const graph = new Graph('map');
  const patches = graph.input('patches', 'float32', [1, tap.rows * tap.columns]);
  graph.output('map', upsample(reshape(patches, [1, tap.rows, tap.columns]), settings.height, settings.width, settings));
  return graph;
}

/** The same bank with one chunk, thinned where it is larger than stated (coreset.ts). */
export function thinned(taps: readonly TapBank[]): TapBank[] {
  const sizes = taps.map((bank) => ({ rows: bank.tap.rows, columns: bank.tap.columns, dim: widthOf(bank) }));
  return taps.map((bank, t) => ({ ...bank, chunks: [coreset(joined(bank), widthOf(bank), rowsFor(sizes, t))] }));
}

function joined(bank: TapBank): BankChunk {
  const { chunks } = bank;
  const count = chunks.reduce((sum, chunk) => sum + chunk.count, 0);
  const rows = new Float32Array(count * widthOf(bank));
  let at = 0;
  for (const chunk of chunks) {
    rows.set(chunk.rows, at);
    at += chunk.rows.length;
  }
  return { rows, count };
}
