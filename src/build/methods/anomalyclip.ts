/**
 * AnomalyCLIP (ICLR 2024, zqhang/AnomalyCLIP) and AD-CLIP, which is AnomalyCLIP on ViT-B/32. What the authors' code computes, to the letter:
 * the class feature is that of the ordinary path, projected without ln_post; patches come from the V-V path, through ln_post and the
 * projection; both against the two learned prompts at temperature 0.07; maps of all listed blocks are added, upsampled bilinearly
 * (align_corners False) and smoothed with sigma 4.
 */
import { Graph, type Value } from '../../onnx/graph';
import { add, reshape, sigmoid } from '../../onnx/ops';
import { learnedPrompts } from '../learned';
import { adapterOf, blocksOf, type Composed, type MethodInput, temperature, usage, visionOf } from '../method';
import { difference, patchMap, scaled, scoreOutputs } from '../scoring';
import { encodeText, unit } from '../text';
import { embedImage, gridOf, patchesOf, project, runBlocks } from '../visual';
import { Weights } from '../weights';

const sigma = 4; // px
/** As the authors set it for 24 blocks: the last 19. */
const authorsDpam = 20;

/** First V-V block, counted from 1: DPAM_layer = n surgically alters the last n - 1 blocks. */
export function dualStart(layers: number, dpamLayer: number): number {
  if (dpamLayer < 2 || dpamLayer > layers + 1)
    usage(
      `--dpam-layer ${dpamLayer} does not fit a model of ${layers} blocks; expected 2 (the last block) to ${layers + 1} (all of them).`,
    );
  return layers - dpamLayer + 2;
}

/** Element by element. */
export const summed = (maps: readonly Value[]): Value => maps.reduce((a, b) => add(a, b));

export async function anomalyclip(input: MethodInput): Promise<Composed> {
  const { clip, clipPath, options } = input;
  const adapter = adapterOf(input, 'anomalyclip', "the checkpoint of the prompt learner (the authors' epoch_N.pth)");
  const { layers, width } = clip.config.visual;
  const dpamLayer = options.dpamLayer ?? Math.min(authorsDpam, layers + 1);
  const dualFrom = dualStart(layers, dpamLayer);
  const after = blocksOf(input, [layers]);
  const learned = learnedPrompts(adapter, clip, clipPath);
  const vision = visionOf(input, options.imageSize ?? 518, 'bilinear');
  const [normal, anomalous] = await encodeText(input.text, [learned.normal, learned.anomalous], learned.deep);
  const text = { normal: unit(normal ?? new Float32Array(0), clipPath), anomalous: unit(anomalous ?? new Float32Array(0), clipPath) };
  const grid = gridOf(vision);
  const name = (block: number): string => `tokens_${block}`;
  return {
    size: vision.size,
    scale: 1 / temperature,
    taps: after.map((block) => ({ name: name(block), rows: grid, columns: grid, dim: width })),
    settings: {
      features: after,
      dpamLayer,
      contextTokens: learned.context,
      promptDepth: learned.deep.length + 1,
      deepTokens: learned.deepLength,
      temperature,
      mapScale: options.mapScale,
      mapSigma: sigma,
      mapAlignCorners: false,
    },
    graph(precision) {
      const graph = new Graph('anomalyclip');
      const weights = new Weights(graph, clip.tensors, clipPath, precision);
      const image = graph.input('image', 'float32', [1, 3, vision.size, vision.size]);
      const seen = runBlocks(embedImage(image, weights, vision), weights, vision, { after, dualFrom });
      scoreOutputs(project(seen.classToken, weights, false), text, 1 / temperature);
      const maps = seen.tapped.map((tokens, i) => {
        const patches = patchesOf(tokens);
        graph.output(name(after[i] ?? 0), patches);
        return sigmoid(difference(project(patches, weights, true), text, 1 / temperature, `text_${after[i]}`));
      });
      const sum = scaled(summed(maps), options.mapScale);
      graph.output('map', patchMap(reshape(sum, [1, grid * grid]), { grid, size: vision.size, sigma, alignCorners: false }));
      return graph;
    },
  };
}
