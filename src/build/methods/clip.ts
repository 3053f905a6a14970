/**
 * Plain CLIP (openai/CLIP): the picture and its patches against a prompt ensemble, at the model's own temperature. With a DPAM layer the
 * patches come from the V-V path, as CLIP Surgery (xmed-lab/CLIP_Surgery) has it on the last 6 blocks: --dpam-layer 7. Feature surgery is its map:
 * each class's product with a patch is weighted by how much the picture is of that class, and what the classes have in common is taken off.
 */
import { Graph } from '../../onnx/graph';
import { reshape, sigmoid } from '../../onnx/ops';
import { tensorNamed } from '../checkpoint';
import { blocksOf, type Composed, type MethodInput, visionOf } from '../method';
import { winclip as ensemble } from '../prompts';
import { difference, patchMap, scaled, scoreOutputs, surgery } from '../scoring';
import { encodeEnsemble } from '../text';
import { embedImage, gridOf, patchesOf, project, runBlocks } from '../visual';
import { Weights } from '../weights';
import { dualStart, summed } from './anomalyclip';

export async function clip(input: MethodInput): Promise<Composed> {
  const { clip: model, clipPath, options } = input;
  const { layers, width, imageSize } = model.config.visual;
  const vision = visionOf(input, options.imageSize ?? imageSize, 'bicubic');
  const dualFrom = options.dpamLayer === null ? null : dualStart(layers, options.dpamLayer);
  const after = blocksOf(input, [layers]);
  const logitScale = Math.exp(tensorNamed(model.tensors, 'logit_scale', clipPath).read()[0] ?? Math.log(100));
  const text = await encodeEnsemble(input, ensemble, true);
  const grid = gridOf(vision);
  const name = (block: number): string => `tokens_${block}`;
  return {
    size: vision.size,
    scale: logitScale,
    taps: after.map((block) => ({ name: name(block), rows: grid, columns: grid, dim: width })),
    settings: {
      features: after,
      logitScale,
      featureSurgery: options.featureSurgery,
      mapScale: options.mapScale,
      mapSigma: 0,
      mapAlignCorners: false,
      ...(options.dpamLayer === null ? {} : { dpamLayer: options.dpamLayer }),
    },
    graph(precision) {
      const graph = new Graph('clip');
      const weights = new Weights(graph, model.tensors, clipPath, precision);
      const image = graph.input('image', 'float32', [1, 3, vision.size, vision.size]);
      const seen = runBlocks(embedImage(image, weights, vision), weights, vision, { after, dualFrom });
      const feature = project(seen.classToken, weights, true);
      scoreOutputs(feature, text, logitScale);
      const maps = seen.tapped.map((tokens, i) => {
        const patches = patchesOf(tokens);
        graph.output(name(after[i] ?? 0), patches);
        const joint = project(patches, weights, true);
        if (options.featureSurgery) return surgery(joint, feature, text, `text_${after[i]}`);
        return sigmoid(difference(joint, text, logitScale, `text_${after[i]}`));
      });
      const sum = scaled(summed(maps), options.mapScale);
      graph.output('map', patchMap(reshape(sum, [1, grid * grid]), { grid, size: vision.size, sigma: 0, alignCorners: false }));
      return graph;
    },
  };
}
