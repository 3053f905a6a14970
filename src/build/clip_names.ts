/**
 * CLIP weights under the names of OpenAI, open_clip or HuggingFace, brought to OpenAI's. Sources: openai/CLIP clip/model.py,
 * mlfoundations/open_clip model.py (CLIP, CustomTextCLIP), HuggingFace transformers modeling_clip.py.
 */
import { type Checkpoint, sectionOf, type Tensors } from './checkpoint';
import { type ClipConfig, expectedShapes, inferConfig } from './clip_config';
import { quoted, refuse } from './refuse';
import { type LazyTensor, StackedTensor, StridedTensor } from './tensors';

/** QuickGELU is x*sigmoid(1.702x), gelu the exact one with erf. No weight tells which a model was trained with. */
export type Activation = 'quickgelu' | 'gelu';

export interface ClipWeights {
  naming: 'openai' | 'open_clip' | 'huggingface';
  config: ClipConfig;
  /** What the source is usually trained with, and whether that is certain; where it is not, the method or the user decides. */
  activation: { value: Activation; certain: boolean };
  /** Every weight of `expectedShapes(config)` under OpenAI's names, shapes checked, nothing else. */
  tensors: Tensors;
}

const CLIP_FILE = "Give CLIP weights with both towers: OpenAI's .pt, open_clip's or HuggingFace's.";

/** Not weights: constants OpenAI's archive carries, masks and counters some versions of the libraries save. */
const dropped = /^(input_resolution|context_length|vocab_size|attn_mask|(text_model|vision_model)\.embeddings\.position_ids)$/;

/**
 * The CLIP model in an open checkpoint. Nothing is read yet. Throws CHECKPOINT_REFUSED naming each tensor that is missing, has
 * another shape than the rest implies, or has no place in a CLIP vision transformer.
 */
export function clipWeights(checkpoint: Checkpoint, options: { visionHeadWidth?: number } = {}): ClipWeights {
  const where = checkpoint.path;
  const named = canonicalNames(checkpoint);
  const config = inferConfig(named.tensors, where, options.visionHeadWidth);
  const expected = expectedShapes(config);
  const tensors = new Map<string, LazyTensor>();
  const findings: string[] = [];
  for (const [name, shape] of expected) {
    const tensor = named.tensors.get(name);
    const expectation = `expected shape [${shape.join()}]`;
    if (!tensor) findings.push(`${name} is missing, ${expectation}`);
    else if (tensor.shape.join() !== shape.join()) findings.push(`${name} has shape [${tensor.shape.join()}], ${expectation}`);
    else tensors.set(name, tensor);
  }
  for (const name of named.tensors.keys())
    if (!expected.has(name)) findings.push(`${quoted(name)} has no place in a CLIP vision transformer`);
  const [first, ...others] = findings;
  if (first !== undefined) {
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
    refuse(where, `does not fit together as a CLIP model: ${first}${more}`, CLIP_FILE, findings.slice(0, 100));
  }
  return { naming: named.naming, config, activation: activationOf(named, config), tensors };
}

interface Named {
  naming: ClipWeights['naming'];
  /** True where only OpenAI's own files look like this. */
  openai: boolean;
  tensors: Tensors;
}

function canonicalNames(checkpoint: Checkpoint): Named {
  const { tensors, path: where } = checkpoint;
  const huggingFace = sectionOf(tensors, 'vision_model.embeddings.patch_embedding.weight');
  if (huggingFace) return { naming: 'huggingface', openai: false, tensors: fromHuggingFace(huggingFace, where) };
  const plain = sectionOf(tensors, 'visual.conv1.weight');
  if (!plain) {
    const known = [...tensors.keys()].slice(0, 3).map(quoted).join(', ');
    return refuse(where, `holds no CLIP vision transformer; its tensors are ${known} and so on`, CLIP_FILE);
  }
  if (plain.has('visual.layer1.0.conv1.weight')) refuse(where, 'is a CLIP model with a ResNet', CLIP_FILE);
  const custom = plain.has('text.token_embedding.weight');
  const named = new Map<string, LazyTensor>();
  for (const [name, tensor] of plain) {
    const canonical = custom && name.startsWith('text.') ? name.slice('text.'.length) : name;
    if (dropped.test(canonical)) continue;
    if (named.has(canonical)) refuse(where, `has ${quoted(canonical)} with and without the prefix "text."`);
    named.set(canonical, tensor.renamed(canonical));
  }
  const openai = checkpoint.format === 'torchscript' || plain.has('input_resolution');
  return { naming: custom ? 'open_clip' : 'openai', openai, tensors: named };
}

/** Weights outside the blocks; `T`: a torch Linear, whose matrix OpenAI keeps transposed. */
const huggingFaceNames: Readonly<Record<string, string>> = {
  'vision_model.embeddings.class_embedding': 'visual.class_embedding',
  'vision_model.embeddings.patch_embedding.weight': 'visual.conv1.weight',
  'vision_model.embeddings.position_embedding.weight': 'visual.positional_embedding',
  'vision_model.pre_layrnorm.weight': 'visual.ln_pre.weight', // sic
  'vision_model.pre_layrnorm.bias': 'visual.ln_pre.bias',
  'vision_model.post_layernorm.weight': 'visual.ln_post.weight',
  'vision_model.post_layernorm.bias': 'visual.ln_post.bias',
  'visual_projection.weight': 'T visual.proj',
  'text_model.embeddings.token_embedding.weight': 'token_embedding.weight',
  'text_model.embeddings.position_embedding.weight': 'positional_embedding',
  'text_model.final_layer_norm.weight': 'ln_final.weight',
  'text_model.final_layer_norm.bias': 'ln_final.bias',
  'text_projection.weight': 'T text_projection',
  logit_scale: 'logit_scale',
};

const huggingFaceBlock: Readonly<Record<string, string>> = {
  'self_attn.out_proj': 'attn.out_proj',
  layer_norm1: 'ln_1',
  layer_norm2: 'ln_2',
  'mlp.fc1': 'mlp.c_fc',
  'mlp.fc2': 'mlp.c_proj',
};

function fromHuggingFace(tensors: Tensors, where: string): Tensors {
  const named = new Map<string, LazyTensor>();
  for (const [name, tensor] of tensors) {
    if (dropped.test(name)) continue;
    const fixed = Object.hasOwn(huggingFaceNames, name) ? huggingFaceNames[name] : undefined;
    const [, tower, number = '', part = '', kind = ''] =
      /^(vision|text)_model\.encoder\.layers\.(\d{1,4})\.([\w.]+)\.(weight|bias)$/.exec(name) ?? [];
    const block = `${tower === 'vision' ? 'visual.' : ''}transformer.resblocks.${number}`;
    if (fixed?.startsWith('T ')) {
      if (!(tensor instanceof StridedTensor) || tensor.shape.length !== 2) {
        refuse(where, `tensor ${quoted(name)} has shape [${tensor.shape.join()}], expected a matrix`);
      }
      named.set(fixed.slice(2), tensor.transposed().renamed(fixed.slice(2)));
    } else if (fixed) {
      named.set(fixed, tensor.renamed(fixed));
    } else if (tower && Object.hasOwn(huggingFaceBlock, part)) {
      const canonical = `${block}.${huggingFaceBlock[part]}.${kind}`;
      named.set(canonical, tensor.renamed(canonical));
    } else if (tower && part === 'self_attn.q_proj') {
      const canonical = `${block}.attn.in_proj_${kind}`;
      const others = ['k', 'v'].map((letter) => name.replace('.q_proj.', `.${letter}_proj.`));
      const [k, v] = others.map((other) => tensors.get(other) ?? refuse(where, `has ${quoted(name)} but not ${quoted(other)}`));
      if (k && v) named.set(canonical, new StackedTensor(canonical, [tensor, k, v], where));
    } else if (!(tower && /^self_attn\.[kv]_proj$/.test(part))) {
      named.set(name, tensor); // no place in CLIP: named by the caller
    }
  }
  return named;
}

/**
 * OpenAI trained with QuickGELU; ViT-B-16-plus-240 (width 896) exists from LAION only, with gelu. Other files under OpenAI's plain
 * names may be either's: QuickGELU is assumed for them and for HuggingFace's openai/clip-*, gelu for open_clip's CustomTextCLIP.
 */
function activationOf(named: Named, config: ClipConfig): ClipWeights['activation'] {
  if (named.openai) return { value: 'quickgelu', certain: true };
  if (config.visual.width === 896 && config.embed === 640) return { value: 'gelu', certain: true };
  return { value: named.naming === 'open_clip' ? 'gelu' : 'quickgelu', certain: false };
}
