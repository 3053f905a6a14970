/**
 * The measures of a CLIP model, read off the shapes of its weights as OpenAI's `build_model` does (clip/model.py), and the shape
 * every weight must then have.
 */
import { quoted, refuse } from './refuse';

export interface ClipConfig {
  /** Dimension of the joint space (image and text features). */
  embed: number;
  visual: { width: number; layers: number; heads: number; mlp: number; patch: number; grid: number; imageSize: number };
  text: { width: number; layers: number; heads: number; mlp: number; context: number; vocabulary: number };
}

export type Shapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

const limits = { layers: 128, size: 1 << 20 } as const;

/** Up to this width all vision towers have heads of 64; open_clip's wider ones have 80, 88 or 104. Text towers always have 64. */
const WIDEST_WITH_HEADS_OF_64 = 1024;

const CHOOSE = 'Give a CLIP model with a vision transformer (ViT).';

/**
 * Infers the configuration. `names` are OpenAI's. Throws CHECKPOINT_REFUSED naming tensors that are missing or cannot be.
 * In an expected shape a word stands for any size.
 * @param visionHeadWidth channels of one attention head of the vision tower; no weight tells it. 64 in all of OpenAI's models.
 */
export function inferConfig(tensors: Shapes, where: string, visionHeadWidth?: number): ClipConfig {
  const shape = (name: string, expected: readonly (string | number)[]): number[] => {
    const tensor = tensors.get(name);
    if (!tensor) return refuse(where, `has no tensor ${quoted(name)}, expected one of shape [${expected.join()}]`, CHOOSE);
    const possible = (n: number, size: string | number | undefined) => (typeof size === 'number' ? n === size : n >= 1 && n <= limits.size);
    const fits = tensor.shape.length === expected.length && tensor.shape.every((n, d) => possible(n, expected[d]));
    if (!fits) refuse(where, `tensor ${quoted(name)} has shape [${tensor.shape.join()}], expected [${expected.join()}]`, CHOOSE);
    return [...tensor.shape];
  };
  const [width = 0, , patch = 0, patchWidth = 0] = shape('visual.conv1.weight', ['width', 3, 'patch', 'patch']);
  if (patch !== patchWidth) refuse(where, `its patches are ${patch}x${patchWidth} px, expected square ones`, CHOOSE);
  const [tokens = 0] = shape('visual.positional_embedding', ['1+grid*grid', width]);
  const grid = Math.round(Math.sqrt(tokens - 1));
  if (grid < 1 || grid * grid + 1 !== tokens) refuse(where, `its ${tokens} positions are no class token and a square grid`, CHOOSE);
  const [context = 0, textWidth = 0] = shape('positional_embedding', ['context', 'text width']);
  const [vocabulary = 0] = shape('token_embedding.weight', ['vocabulary', textWidth]);
  const [, embed = 0] = shape('text_projection', [textWidth, 'embed']);
  if (visionHeadWidth === undefined && width > WIDEST_WITH_HEADS_OF_64) {
    refuse(where, `its vision tower is ${width} wide, and the weights do not tell how many heads it has`, 'Use a ViT-B or a ViT-L.');
  }
  const tower = (prefix: string, towerWidth: number, headWidth: number) => {
    const [mlp = 0] = shape(`${prefix}transformer.resblocks.0.mlp.c_fc.weight`, ['mlp', towerWidth]);
    const heads = towerWidth / headWidth;
    if (!Number.isInteger(heads)) refuse(where, `has a tower ${towerWidth} wide, no multiple of the head width ${headWidth}`, CHOOSE);
    return { layers: countLayers(tensors, `${prefix}transformer.resblocks.`, where), heads, mlp };
  };
  return {
    embed,
    visual: { width, ...tower('visual.', width, visionHeadWidth ?? 64), patch, grid, imageSize: patch * grid },
    text: { width: textWidth, ...tower('', textWidth, 64), context, vocabulary },
  };
}

function countLayers(tensors: Shapes, prefix: string, where: string): number {
  const numbers = new Set<number>();
  for (const name of tensors.keys()) {
    const number = name.startsWith(prefix) ? /^(\d{1,4})\./.exec(name.slice(prefix.length))?.[1] : undefined;
    if (number !== undefined) numbers.add(Number(number));
  }
  const layers = numbers.size;
  if (layers > limits.layers) refuse(where, `has ${layers} blocks ${quoted(prefix)}, at most ${limits.layers} are expected`);
  for (let n = 0; n < layers; n++) if (!numbers.has(n)) refuse(where, `has no block ${quoted(`${prefix}${n}`)} among its ${layers}`);
  return layers;
}

/** Name and shape of every weight of a CLIP of that configuration, in OpenAI's names. */
export function expectedShapes(config: ClipConfig): ReadonlyMap<string, readonly number[]> {
  const { embed, visual, text } = config;
  const shapes = new Map<string, readonly number[]>();
  const norm = (name: string, width: number) => shapes.set(`${name}.weight`, [width]).set(`${name}.bias`, [width]);
  const linear = (name: string, outputs: number, inputs: number) =>
    shapes.set(`${name}.weight`, [outputs, inputs]).set(`${name}.bias`, [outputs]);
  const blocks = (prefix: string, tower: { width: number; layers: number; mlp: number }) => {
    for (let n = 0; n < tower.layers; n++) {
      const block = `${prefix}transformer.resblocks.${n}`;
      norm(`${block}.ln_1`, tower.width);
      shapes.set(`${block}.attn.in_proj_weight`, [3 * tower.width, tower.width]).set(`${block}.attn.in_proj_bias`, [3 * tower.width]);
      linear(`${block}.attn.out_proj`, tower.width, tower.width);
      norm(`${block}.ln_2`, tower.width);
      linear(`${block}.mlp.c_fc`, tower.mlp, tower.width);
      linear(`${block}.mlp.c_proj`, tower.width, tower.mlp);
    }
  };
  shapes.set('visual.conv1.weight', [visual.width, 3, visual.patch, visual.patch]);
  shapes.set('visual.class_embedding', [visual.width]).set('visual.positional_embedding', [visual.grid ** 2 + 1, visual.width]);
  norm('visual.ln_pre', visual.width);
  blocks('visual.', visual);
  norm('visual.ln_post', visual.width);
  shapes.set('visual.proj', [visual.width, embed]);
  shapes.set('token_embedding.weight', [text.vocabulary, text.width]).set('positional_embedding', [text.context, text.width]);
  blocks('', text);
  norm('ln_final', text.width);
  shapes.set('text_projection', [text.width, embed]).set('logit_scale', []);
  return shapes;
}
