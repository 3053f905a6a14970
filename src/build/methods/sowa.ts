/**
 * SOWA (arXiv 2407.03634, huzongxiang/sowa), zero-shot: tokens of four blocks, each through a window attention adapter of its own that
 * re-uses the frozen value and output matrices of its CLIP block, then the projection without ln_post, against two learned prompts.
 * No interpolation of positions: the model runs at the size it was trained at. Few-shot is the bank's, on tapped tokens in the joint space;
 * the min-max over the whole test set that the authors' image score needs is replaced by a recipe's calibration.
 */
import { linear, normalise } from '../../onnx/blocks';
import { Graph, type Value } from '../../onnx/graph';
import { add, matMul, mul, reshape, softmax, transpose } from '../../onnx/ops';
import { normed } from '../../onnx/transformer';
import { sectionOf, type Tensors, tensorNamed } from '../checkpoint';
import { learnedPrompts } from '../learned';
import { adapterOf, blocksOf, type Composed, type MethodInput, quarters, temperature, usage, visionOf } from '../method';
import { quoted, refuse } from '../refuse';
import { difference, probabilityAfter, scaled, scoreOutputs, smooth } from '../scoring';
import { encodeText, unit } from '../text';
import { embedImage, gridOf, patchesOf, project, runBlocks } from '../visual';
import { Weights } from '../weights';

const sigma = 4; // px
const FIT = 'Give the checkpoint that was trained with this CLIP model and image size.';
const prefixOf = (i: number): string => `visual_encoder.adapters.${i}.blocks.0`;

/** What of an adapter is constant: the bias of every pair of places in a window, and the temperature of each head. */
interface Windowing {
  side: number; // patches
  heads: number;
  bias: Float32Array; // [heads, side^2, side^2]: 16 sigmoid(cpb_mlp(coordinates))
  temperature: Float32Array; // [heads]: exp(min(logit_scale, ln 100))
}

function windowing(section: Tensors, i: number, where: string, grid: number): Windowing {
  const attention = `${prefixOf(i)}.attn`;
  const read = (name: string) => tensorNamed(section, `${attention}.${name}`, where);
  const index = read('relative_position_index');
  const places = index.shape[0] ?? 0;
  const side = Math.round(Math.sqrt(places));
  if (side < 1 || side * side !== places || index.shape.join() !== `${places},${places}`)
    refuse(where, `tensor ${quoted(index.name)} has shape [${index.shape.join()}], expected [n*n,n*n] for windows of n x n patches`, FIT);
  if (grid % side !== 0) refuse(where, `its windows are ${side} x ${side} patches, the picture gives ${grid} x ${grid}`, FIT);
  const scale = read('logit_scale');
  const heads = scale.numel;
  const table = read('relative_coords_table').read();
  const [first, firstBias, second] = [read('cpb_mlp.0.weight'), read('cpb_mlp.0.bias').read(), read('cpb_mlp.2.weight')];
  const hidden = firstBias.length;
  const pairs = (2 * side - 1) ** 2;
  if (first.shape.join() !== `${hidden},2` || second.shape.join() !== `${heads},${hidden}` || table.length !== 2 * pairs)
    refuse(where, `the position bias of adapter ${i} does not fit together`, FIT);
  const [w0, w2] = [first.read(), second.read()];
  const values = new Float64Array(pairs * heads);
  for (let p = 0; p < pairs; p++)
    for (let k = 0; k < hidden; k++) {
      const sum = (table[2 * p] ?? 0) * (w0[2 * k] ?? 0) + (table[2 * p + 1] ?? 0) * (w0[2 * k + 1] ?? 0) + (firstBias[k] ?? 0);
      if (sum > 0) for (let h = 0; h < heads; h++) values[p * heads + h] = (values[p * heads + h] ?? 0) + sum * (w2[h * hidden + k] ?? 0);
    }
  const bias = new Float32Array(heads * places * places);
  for (const [at, pair] of index.integers().entries()) {
    if (pair < 0 || pair >= pairs) refuse(where, `tensor ${quoted(index.name)} holds ${pair}, expected 0 to ${pairs - 1}`, FIT);
    for (let h = 0; h < heads; h++) bias[h * places * places + at] = 16 / (1 + Math.exp(-(values[pair * heads + h] ?? 0)));
  }
  return { side, heads, bias, temperature: scale.read().map((v) => Math.exp(Math.min(v, Math.log(100)))) };
}

/** [1, G*G, C] <-> [windows, side*side, C], row by row. */
function toWindows(x: Value, grid: number, side: number): Value {
  const c = x.shape[2] ?? 0;
  const n = grid / side;
  return reshape(transpose(reshape(x, [n, side, n, side, c]), [0, 2, 1, 3, 4]), [n * n, side * side, c]);
}
function fromWindows(x: Value, grid: number, side: number): Value {
  const c = x.shape[2] ?? 0;
  const n = grid / side;
  return reshape(transpose(reshape(x, [n, n, side, side, c]), [0, 2, 1, 3, 4]), [1, grid * grid, c]);
}

interface Adapter {
  own: Weights;
  frozen: Weights;
  block: number; // of CLIP, from 1
  i: number;
  grid: number;
  windows: Windowing;
}

/** x + norm1(out(attention(values))), then + norm2(linear): post-norm as in Swin V2. x [1, G*G, C]. */
function adapt(x: Value, { own, frozen, block, i, grid, windows }: Adapter): Value {
  const { graph } = x;
  const width = x.shape[2] ?? 0;
  const { side, heads, bias, temperature: heat } = windows;
  const places = side * side;
  const inside = toWindows(x, grid, side);
  const count = inside.shape[0] ?? 1;
  const attention = `visual.transformer.resblocks.${block - 1}.attn`;
  const v = matMul(inside, frozen.matrix(`${attention}.in_proj_weight`, 2 * width, width));
  const split = transpose(reshape(v, [count, places, heads, width / heads]), [0, 2, 1, 3]);
  const direction = normalise(split);
  const cosine = matMul(direction, transpose(direction, [0, 1, 3, 2]));
  const similarity = add(
    mul(cosine, graph.weight(`heat_${i}`, [heads, 1, 1], heat)),
    graph.weight(`place_bias_${i}`, [heads, places, places], bias),
  );
  const context = reshape(transpose(matMul(softmax(similarity), split), [0, 2, 1, 3]), [count, places, width]);
  const out = frozen.affine(`${attention}.out_proj`);
  const attended = fromWindows(linear(context, out.weight, out.bias), grid, side);
  const first = add(x, normed(attended, own.norm(`${prefixOf(i)}.norm1`)));
  return add(first, normed(matMul(first, own.matrix(`${prefixOf(i)}.mlp.layers.0.weight`)), own.norm(`${prefixOf(i)}.norm2`)));
}

/** A text feature through `cross_fusion.linear`. */
function fused(feature: Float32Array, section: Tensors, where: string): Float32Array {
  const weight = tensorNamed(section, 'cross_fusion.linear.weight', where);
  const bias = tensorNamed(section, 'cross_fusion.linear.bias', where);
  const n = feature.length;
  if (weight.shape.join() !== `${n},${n}` || bias.shape.join() !== `${n}`)
    refuse(where, `tensor ${quoted(weight.name)} has shape [${weight.shape.join()}], expected [${n},${n}]`, FIT);
  const [w, b] = [weight.read(), bias.read()];
  return Float32Array.from(b, (start, row) => feature.reduce((sum, v, k) => sum + v * (w[row * n + k] ?? 0), start));
}

export async function sowa(input: MethodInput): Promise<Composed> {
  const { clip, clipPath, options } = input;
  const adapter = adapterOf(input, 'sowa', 'the trained adapters and prompts (.ckpt)');
  const where = adapter.path;
  const { layers, width, imageSize } = clip.config.visual;
  const vision = visionOf(input, options.imageSize ?? imageSize, 'bilinear');
  if (vision.size !== imageSize) usage(`SOWA runs at the size its model was trained at: --image-size ${imageSize}, or none.`);
  const after = blocksOf(input, quarters(layers));
  const grid = gridOf(vision);
  const section = sectionOf(adapter.tensors, `${prefixOf(0)}.attn.logit_scale`) ?? refuse(where, 'has no window attention adapters', FIT);
  const adapters = [...section.keys()].filter((key) => /^visual_encoder\.adapters\.\d+\.blocks\.0\.attn\.logit_scale$/.test(key)).length;
  if (adapters !== after.length) refuse(where, `has ${adapters} adapters for ${after.length} blocks (${after.join()})`, FIT);
  const found = tensorNamed(section, `${prefixOf(0)}.mlp.layers.0.weight`, where).shape.join();
  if (found !== `${width},${width}`) refuse(where, `its adapters have matrices [${found}], ${clipPath} needs [${width},${width}]`, FIT);
  const windows = after.map((_, i) => windowing(section, i, where, grid));
  const learned = learnedPrompts(adapter, clip, clipPath);
  const raw = await encodeText(input.text, [learned.normal, learned.anomalous]);
  const [normal = new Float32Array(0), anomalous = new Float32Array(0)] = raw.map((feature) => unit(fused(feature, section, where), where));
  const text = { normal, anomalous };
  const name = (block: number): string => `tokens_${block}`;
  return {
    size: vision.size,
    scale: 1 / temperature,
    taps: after.map((block) => ({ name: name(block), rows: grid, columns: grid, dim: clip.config.embed })),
    settings: {
      features: after,
      windows: windows.map(({ side }) => side),
      contextTokens: learned.context,
      temperature,
      mapScale: options.mapScale,
      mapSigma: sigma,
      mapAlignCorners: true,
    },
    graph(precision) {
      const graph = new Graph('sowa');
      const weights = new Weights(graph, clip.tensors, clipPath, precision);
      const frozen = new Weights(graph, clip.tensors, clipPath, 'fp32', 'frozen.');
      const own = new Weights(graph, section, where, 'fp32', 'adapter.');
      const image = graph.input('image', 'float32', [1, 3, vision.size, vision.size]);
      const seen = runBlocks(embedImage(image, weights, vision), weights, vision, { after, dualFrom: null });
      scoreOutputs(project(seen.classToken, weights, true), text, 1 / temperature);
      const maps = seen.tapped.map((tokens, i) => {
        const block = after[i] ?? 0;
        const patches = patchesOf(tokens);
        graph.output(name(block), project(patches, weights, false));
        const window = windows[i];
        if (window === undefined) throw new Error(`no windows for adapter ${i}`);
        const adapted = project(adapt(patches, { own, frozen, block, i, grid, windows: window }), weights, false);
        const apart = difference(adapted, text, 1, `text_${block}`);
        return probabilityAfter(reshape(apart, [1, grid * grid]), { grid, size: vision.size, sigma: 0, alignCorners: true });
      });
      const sum = maps.reduce((a, b) => add(a, b));
      graph.output('map', scaled(smooth(sum, vision.size, sigma), options.mapScale));
      return graph;
    },
  };
}
