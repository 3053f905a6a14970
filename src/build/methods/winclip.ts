/**
 * WinCLIP (CVPR 2023), zero-shot, as anomalib computes it (winclip/torch_model.py): besides the whole picture every window of 2 x 2 and
 * 3 x 3 patches runs through the transformer with the class token, from the embedded patches on; each window's probability is spread
 * over the patches it covers by the harmonic mean, and so are picture and window sizes.
 * The bank of a recipe works on the patches of the last block after ln_post.
 */
import { Graph, type Value } from '../../onnx/graph';
import { add, clip as clipped, div, matMul, reshape, sigmoid, slice } from '../../onnx/ops';
import { gather, normed } from '../../onnx/transformer';
import { type Composed, type MethodInput, temperature, usage, visionOf } from '../method';
import { winclip as ensemble } from '../prompts';
import { difference, patchMap, scaled, scoreOutputs } from '../scoring';
import { encodeEnsemble } from '../text';
import { embedImage, gridOf, patchesOf, project, runBlocks } from '../visual';
import { Weights } from '../weights';

const scales = [2, 3] as const;
const tiny = 1e-30; // keeps 1/p finite

/** For each window of side x side patches, sliding by one: the numbers of its patches in the grid. */
export function windows(grid: number, side: number): number[][] {
  const found: number[][] = [];
  for (let y = 0; y + side <= grid; y++)
    for (let x = 0; x + side <= grid; x++)
      found.push(Array.from({ length: side * side }, (_, k) => (y + Math.floor(k / side)) * grid + x + (k % side)));
  return found;
}

/** Harmonic mean over the windows that cover a patch: p [n] -> [grid*grid]. */
function harmonic(p: Value, covering: readonly number[][], patches: number, side: number): Value {
  const { graph } = p;
  const matrix = new Float32Array(patches * covering.length);
  const counts = new Float32Array(patches);
  for (const [w, window] of covering.entries())
    for (const patch of window) {
      matrix[patch * covering.length + w] = 1;
      counts[patch] = (counts[patch] ?? 0) + 1;
    }
  const inverse = div(graph.weight(`one_${side}`, [1], Float32Array.of(1)), clipped(p, tiny));
  const sums = matMul(graph.weight(`covers_${side}`, [patches, covering.length], matrix), reshape(inverse, [covering.length, 1]));
  return div(graph.weight(`counts_${side}`, [patches], counts), reshape(sums, [patches]));
}

export async function winclip(input: MethodInput): Promise<Composed> {
  const { clip, clipPath, options } = input;
  const { visual } = clip.config;
  const vision = visionOf(input, options.imageSize ?? visual.imageSize, 'bicubic');
  if (vision.size !== visual.imageSize)
    usage(`WinCLIP runs at the size its model was trained at: --image-size ${visual.imageSize}, or none.`);
  const grid = gridOf(vision);
  if (grid < Math.max(...scales)) usage(`WinCLIP needs a grid of at least 3 x 3 patches; this model has ${grid} x ${grid}.`);
  const patches = grid * grid;
  const text = await encodeEnsemble(input, ensemble, false);
  return {
    size: vision.size,
    scale: 1 / temperature,
    taps: [{ name: 'tokens', rows: grid, columns: grid, dim: visual.width }],
    settings: { scales: [...scales], temperature, mapScale: options.mapScale, mapSigma: 0, mapAlignCorners: false },
    graph(precision) {
      const graph = new Graph('winclip');
      const weights = new Weights(graph, clip.tensors, clipPath, precision);
      const image = graph.input('image', 'float32', [1, 3, vision.size, vision.size]);
      const embedded = embedImage(image, weights, vision);
      const seen = runBlocks(embedded, weights, vision, { after: [visual.layers], dualFrom: null });
      const [last = embedded] = seen.tapped;
      graph.output('tokens', normed(patchesOf(last), weights.norm('visual.ln_post')));
      const feature = project(seen.classToken, weights, true);
      scoreOutputs(feature, text, 1 / temperature);
      const whole = sigmoid(difference(reshape(feature, [1, clip.config.embed]), text, 1 / temperature, 'text_picture'));
      const table = reshape(embedded, [1 + patches, visual.width]);
      const one = graph.weight('one', [1], Float32Array.of(1));
      let inverse = div(one, clipped(whole, tiny)); // [1], spread over the patches by the sum
      for (const side of scales) {
        const covering = windows(grid, side);
        const rows = covering.flatMap((window) => [0, ...window.map((patch) => patch + 1)]);
        const batch = gather(table, rows, [covering.length, 1 + side * side], `windows_${side}`);
        const { classToken } = runBlocks(batch, weights, vision, { after: [], dualFrom: null });
        const features = reshape(project(slice(classToken, 1, 0, 1), weights, true), [covering.length, clip.config.embed]);
        const p = sigmoid(difference(features, text, 1 / temperature, `text_${side}`));
        inverse = add(div(one, clipped(harmonic(p, covering, patches, side), tiny)), inverse);
      }
      const mean = div(graph.weight('scales', [1], Float32Array.of(scales.length + 1)), inverse);
      graph.output(
        'map',
        patchMap(reshape(scaled(mean, options.mapScale), [1, patches]), { grid, size: vision.size, sigma: 0, alignCorners: false }),
      );
      return graph;
    },
  };
}
