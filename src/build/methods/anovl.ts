/**
 * AnoVL (hq-deng/AnoVL) without its test-time adaptation, which trains on every picture and cannot run on a rig, and without the mean of the score
 * over turned and shifted copies: V-V path on all blocks, patches of the last one; no temperature; probabilities averaged over 3 x 3
 * patches with the border repeated, then bilinear with align_corners.
 */
import { Graph } from '../../onnx/graph';
import { averagePool, padEdge, reshape, sigmoid } from '../../onnx/ops';
import { type Composed, type MethodInput, visionOf } from '../method';
import { anovlTexture, anovl as objects } from '../prompts';
import { difference, patchMap, scaled, scoreOutputs } from '../scoring';
import { encodeEnsemble } from '../text';
import { embedImage, gridOf, patchesOf, project, runBlocks } from '../visual';
import { Weights } from '../weights';

export async function anovl(input: MethodInput): Promise<Composed> {
  const { clip, clipPath, options } = input;
  const { layers, width, imageSize } = clip.config.visual;
  const vision = visionOf(input, options.imageSize ?? imageSize, 'bicubic');
  const text = await encodeEnsemble(input, options.texture ? anovlTexture : objects, false);
  const grid = gridOf(vision);
  return {
    size: vision.size,
    scale: 1,
    taps: [{ name: 'tokens', rows: grid, columns: grid, dim: width }],
    settings: {
      features: [layers],
      logitScale: 1,
      testTimeAdaptation: false,
      texture: options.texture,
      mapScale: options.mapScale,
      mapSigma: 0,
      mapAlignCorners: true,
    },
    graph(precision) {
      const graph = new Graph('anovl');
      const weights = new Weights(graph, clip.tensors, clipPath, precision);
      const image = graph.input('image', 'float32', [1, 3, vision.size, vision.size]);
      const embedded = embedImage(image, weights, vision);
      const seen = runBlocks(embedded, weights, vision, { after: [layers], dualFrom: 1 });
      scoreOutputs(project(seen.classToken, weights, true), text, 1);
      const patches = patchesOf(seen.tapped[0] ?? embedded);
      graph.output('tokens', patches);
      const p = sigmoid(difference(project(patches, weights, true), text, 1, 'text_patches'));
      const around = averagePool(padEdge(reshape(p, [1, 1, grid, grid]), 1), { kernel: [3, 3] });
      const map = scaled(reshape(around, [1, grid * grid]), options.mapScale);
      graph.output('map', patchMap(map, { grid, size: vision.size, sigma: 0, alignCorners: true }));
      return graph;
    },
  };
}
