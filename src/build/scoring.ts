/** What all methods end with: features against two text vectors, and a map at model resolution. */
import { normalise, upsample } from '../onnx/blocks';
import type { Graph, Value } from '../onnx/graph';
import { matMul, mul, reduceSum, reshape, sigmoid, slice, softmax, sub } from '../onnx/ops';

/** Text features of length 1, [embed] each. */
export interface TextPair {
  normal: Float32Array;
  anomalous: Float32Array;
}

/** Columns (normal, anomalous) times `scale`: [embed, 2]. */
function columns(graph: Graph, { normal, anomalous }: TextPair, scale: number, name: string): Value {
  const data = new Float32Array(2 * normal.length);
  for (let i = 0; i < normal.length; i++) {
    data[2 * i] = (normal[i] ?? 0) * scale;
    data[2 * i + 1] = (anomalous[i] ?? 0) * scale;
  }
  return graph.weight(name, [normal.length, 2], data);
}

/** scale (cos(f, anomalous) - cos(f, normal)) for rows f [.., n, embed] -> [.., n]: a softmax over two classes is the sigmoid of it. */
export function difference(features: Value, text: TextPair, scale: number, name: string): Value {
  const { graph } = features;
  const data = text.normal.map((v, i) => ((text.anomalous[i] ?? 0) - v) * scale);
  const y = matMul(normalise(features), graph.weight(name, [data.length, 1], data));
  return reshape(y, y.shape.slice(0, -1));
}

/**
 * CLIP Surgery's similarity of "anomalous" (xmed-lab/CLIP_Surgery, clip_feature_surgery, its factor 2 before the softmax): products of a
 * patch and a text, each class times w = C softmax(2 cos(class token, texts)), less their mean over the C classes. Of two classes there
 * is left p_anomalous cos_anomalous - p_normal cos_normal, -1 to 1. Patches [1,n,embed], class feature [..,embed] -> [1,n].
 */
export function surgery(patches: Value, feature: Value, text: TextPair, name: string): Value {
  const { graph } = patches;
  const row = reshape(feature, [1, feature.shape.at(-1) ?? 0]);
  const texts = columns(graph, text, 1, name);
  const weights = softmax(mul(matMul(normalise(row), texts), 2)); // [1,2], normal first
  const signed = mul(weights, graph.weight(`${name}_signs`, [1, 2], Float32Array.of(-1, 1)));
  return reduceSum(mul(matMul(normalise(patches), texts), signed), [-1]);
}

/**
 * Outputs `probabilities` [1,2], `score` [1] (that of "anomalous", as the authors give it) and `logit` [1] (the difference of the two
 * logits: the same order, but it does not saturate), from the class feature [.., embed].
 */
export function scoreOutputs(feature: Value, text: TextPair, scale: number): void {
  const { graph } = feature;
  const row = reshape(feature, [1, feature.shape.at(-1) ?? 0]);
  const logits = matMul(normalise(row), columns(graph, text, scale, 'text'));
  const probabilities = softmax(logits);
  graph.output('probabilities', probabilities);
  graph.output('score', reshape(slice(probabilities, 1, 1, 2), [1]));
  graph.output('logit', reshape(sub(slice(logits, 1, 1, 2), slice(logits, 1, 0, 1)), [1]));
}

export interface MapShape {
  grid: number;
  size: number; // px
  sigma: number; // px of the Gaussian, 0: none
  alignCorners: boolean;
}

/** Patch values [1, G*G] -> [1,S,S]. */
export function patchMap(patches: Value, { grid, size, ...how }: MapShape): Value {
  return upsample(reshape(patches, [1, grid, grid]), size, size, how);
}

/** Where the authors take the softmax behind the upsampling: sigmoid of the upsampled difference. */
export const probabilityAfter = (patches: Value, shape: MapShape): Value => sigmoid(patchMap(patches, { ...shape, sigma: 0 }));

/** Gaussian of an [1,S,S] map, by two matrix products. */
export function smooth(map: Value, size: number, sigma: number): Value {
  return upsample(map, size, size, { alignCorners: false, sigma });
}

export const scaled = (x: Value, factor: number): Value => (factor === 1 ? x : mul(x, factor));
