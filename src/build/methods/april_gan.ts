/**
 * APRIL-GAN (VAND challenge 2023, ByChelsea/VAND-APRIL-GAN), zero-shot: tokens of four blocks as they are (no norm, no projection),
 * through one trained linear layer each, against the prompt ensemble at 100; bilinear with align_corners, softmax after it, summed.
 * Few-shot is the bank's: nearest cosine distance of the same raw tokens. The authors add to the image score the map's maximum
 * min-max scaled over the whole test set, which no running station has: a recipe's calibration stands in for it.
 */
import { linear } from '../../onnx/blocks';
import { Graph } from '../../onnx/graph';
import { reshape } from '../../onnx/ops';
import { sectionOf } from '../checkpoint';
import { adapterOf, blocksOf, type Composed, type MethodInput, quarters, visionOf } from '../method';
import { aprilGan as ensemble } from '../prompts';
import { quoted, refuse } from '../refuse';
import { difference, probabilityAfter, scaled, scoreOutputs } from '../scoring';
import { encodeEnsemble } from '../text';
import { embedImage, gridOf, patchesOf, project, runBlocks } from '../visual';
import { Weights } from '../weights';
import { summed } from './anomalyclip';

const logitScale = 100;

export async function aprilGan(input: MethodInput): Promise<Composed> {
  const { clip, clipPath, options } = input;
  const adapter = adapterOf(input, 'april-gan', 'the trained linear layers (trainable_linearlayer)');
  const { layers, width } = clip.config.visual;
  const { embed } = clip.config;
  const after = blocksOf(input, quarters(layers));
  const fit = 'Give the checkpoint that was trained with this CLIP model and this features list.';
  const section = sectionOf(adapter.tensors, 'fc.0.weight') ?? refuse(adapter.path, 'has no linear layers (no tensor "fc.0.weight")', fit);
  for (const [i] of after.entries()) {
    const shape = section.get(`fc.${i}.weight`)?.shape.join() ?? 'none';
    if (shape !== `${embed},${width}`)
      refuse(adapter.path, `tensor ${quoted(`fc.${i}.weight`)} has shape [${shape}], expected [${embed},${width}] for ${clipPath}`, fit);
  }
  const layersThere = [...section.keys()].filter((key) => /^fc\.\d+\.weight$/.test(key)).length;
  if (layersThere !== after.length)
    refuse(adapter.path, `has ${layersThere} linear layers for ${after.length} blocks (${after.join()})`, fit);
  const vision = visionOf(input, options.imageSize ?? 518, 'bicubic');
  const text = await encodeEnsemble(input, ensemble, true);
  const grid = gridOf(vision);
  const name = (block: number): string => `tokens_${block}`;
  return {
    size: vision.size,
    scale: logitScale,
    taps: after.map((block) => ({ name: name(block), rows: grid, columns: grid, dim: width })),
    settings: { features: after, logitScale, mapScale: options.mapScale, mapSigma: 0, mapAlignCorners: true },
    graph(precision) {
      const graph = new Graph('april-gan');
      const weights = new Weights(graph, clip.tensors, clipPath, precision);
      const adapters = new Weights(graph, section, adapter.path, 'fp32', 'adapter.');
      const image = graph.input('image', 'float32', [1, 3, vision.size, vision.size]);
      const seen = runBlocks(embedImage(image, weights, vision), weights, vision, { after, dualFrom: null });
      scoreOutputs(project(seen.classToken, weights, true), text, logitScale);
      const maps = seen.tapped.map((tokens, i) => {
        const patches = patchesOf(tokens);
        graph.output(name(after[i] ?? 0), patches);
        const { weight, bias } = adapters.affine(`fc.${i}`);
        const apart = difference(linear(patches, weight, bias), text, logitScale, `text_${after[i]}`);
        return probabilityAfter(reshape(apart, [1, grid * grid]), { grid, size: vision.size, sigma: 0, alignCorners: true });
      });
      graph.output('map', scaled(summed(maps), options.mapScale));
      return graph;
    },
  };
}
