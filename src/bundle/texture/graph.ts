/**
 * The texture model as an ONNX graph: a fixed filter bank, nothing learned. A picture of 256 x 256 becomes 32 x 32 patch
 * tokens: a scattering transform of two orders (scattering.ts) with local statistics. A stand-in that runs from a fresh checkout, not
 * AD-CLIP: it sees texture, edges and colour, not what a thing is.
 *
 * Without a bank the score can only say how far a picture's oddest patches lie from the average patch of the same picture.
 */
import { topMean, toTokens, upsample } from '../../onnx/blocks';
import { Graph, type Value } from '../../onnx/graph';
import {
  add,
  averagePool,
  clip,
  concat,
  conv,
  div,
  maxPool,
  mul,
  neg,
  padEdge,
  reduceMean,
  reshape,
  slice,
  sqrt,
  sub,
} from '../../onnx/ops';
import { quantum } from './filters';
import { compress, scattering } from './scattering';
import { grid, texture } from './settings';

/** Luma (ITU-R BT.601) and two opponent colours, from RGB. */
const opponent = Float32Array.of(0.299, 0.587, 0.114, 0.5, -0.5, 0, 0.25, 0.25, -0.5);

/** Input `image` [1,3,256,256] in -1..1; outputs `score` [1], `map` [1,256,256], `tokens` [1,1024,120]. */
export function textureGraph(): Graph {
  const graph = new Graph('texture');
  const image = graph.input('image', 'float32', [1, 3, texture.size, texture.size]);
  const colour = conv(image, graph.weight('opponent', [3, 3, 1, 1], opponent), null);
  const luma = slice(colour, 1, 0, 1);
  const features = concat([...scattering(luma), ...statistics(colour, luma)], 1);
  const { around: side } = texture;
  const around = averagePool(padEdge(features, (side - 1) / 2), { kernel: [side, side] });
  const tokens = toTokens(concat([features, around], 1));
  const map = oddness(tokens);
  graph.output('score', topMean(reshape(map, [1, grid * grid]), texture.top));
  graph.output('map', upsample(map, texture.size, texture.size, { alignCorners: false, sigma: texture.sigma }, quantum));
  graph.output('tokens', tokens);
  return graph;
}

/** Mean and log standard deviation of luma and colours, greatest and least luma, of each patch. */
function statistics(colour: Value, luma: Value): Value[] {
  const patch = { kernel: [texture.cell, texture.cell], stride: texture.cell } as const;
  const mean = averagePool(colour, patch);
  const variance = sub(averagePool(mul(colour, colour), patch), mul(mean, mean));
  return [mean, compress(sqrt(clip(variance, 1e-6))), maxPool(luma, patch), maxPool(neg(luma), patch)];
}

/** Root mean square of each patch's features, standardised over the patches of this picture: [1,grid,grid]. */
function oddness(tokens: Value): Value {
  const centred = sub(tokens, reduceMean(tokens, [1], true));
  const deviation = sqrt(add(reduceMean(mul(centred, centred), [1], true), 1e-4));
  const standard = div(centred, deviation);
  return reshape(sqrt(reduceMean(mul(standard, standard), [-1])), [1, grid, grid]);
}
