/** Learned prompts (AnomalyCLIP's prompt learner, used by SOWA too): a good and a bad prompt made of vectors instead of words. */
import type { Checkpoint } from './checkpoint';
import { sectionOf, type Tensors, tensorNamed } from './checkpoint';
import type { ClipWeights } from './clip_names';
import { quoted, refuse } from './refuse';
import { embedTokens, type Prompt } from './text';

export interface Learned {
  normal: Prompt;
  anomalous: Prompt;
  context: number; // learned vectors of each prompt
  /** Learned tokens before blocks 1, 2, ...: [m, width] each; empty for none. */
  deep: Float32Array[];
  deepLength: number; // m; 0 for none
}

const FIT = 'Give the CLIP file that this checkpoint was trained with.';

/**
 * The prompts of an open checkpoint. Throws CHECKPOINT_REFUSED where there are none, where they are as wide as another text tower's,
 * or where their token rows are not those of this CLIP.
 */
export function learnedPrompts(adapter: Checkpoint, clip: ClipWeights, clipPath: string): Learned {
  const where = adapter.path;
  const section = sectionOf(adapter.tensors, 'ctx_pos');
  if (section === null) {
    const known = [...adapter.tensors.keys()].slice(0, 3).map(quoted).join(', ');
    return refuse(where, `has no prompt learner (no tensor "ctx_pos"); it holds ${known} and so on`, 'Give the checkpoint of this method.');
  }
  const { width } = clip.config.text;
  const found = tensorNamed(section, 'ctx_pos', where).shape.at(-1);
  if (found !== width)
    refuse(where, `its prompts are ${found} wide, the text tower of ${clipPath} is ${width} wide: they do not belong together`, FIT);
  const deep = deepPrompts(section, width, clip, where);
  return {
    normal: promptOf(section, 'pos', clip, where, clipPath),
    anomalous: promptOf(section, 'neg', clip, where, clipPath),
    context: tensorNamed(section, 'ctx_pos', where).shape.at(-2) ?? 0,
    deep,
    deepLength: (deep[0]?.length ?? 0) / width,
  };
}

function promptOf(section: Tensors, which: 'pos' | 'neg', clip: ClipWeights, where: string, clipPath: string): Prompt {
  const { width, context } = clip.config.text;
  const part = (name: string) => {
    const tensor = tensorNamed(section, `${name}_${which}`, where);
    const rows = tensor.shape.at(-2) ?? 0;
    if (tensor.shape.at(-1) !== width || tensor.numel !== rows * width)
      refuse(where, `tensor ${quoted(tensor.name)} has shape [${tensor.shape.join()}], expected [1,1,n,${width}]`, FIT);
    return { rows, data: tensor.read() };
  };
  const parts = [part('token_prefix'), part('ctx'), part('token_suffix')];
  const ids = tensorNamed(section, `tokenized_prompts_${which}`, where).integers();
  const total = parts.reduce((sum, { rows }) => sum + rows, 0);
  if (total !== context || ids.length !== context)
    refuse(where, `its prompt has ${total} rows for ${ids.length} tokens, the text tower of ${clipPath} takes ${context}`, FIT);
  const words = embedTokens(clip, clipPath, ids);
  const rows = new Float32Array(total * width);
  let at = 0;
  for (const { data } of parts) {
    rows.set(data, at);
    at += data.length;
  }
  const [prefix, ctx] = parts;
  const learnedRows = { from: prefix?.rows ?? 0, to: (prefix?.rows ?? 0) + (ctx?.rows ?? 0) };
  for (let row = 0; row <= words.end; row++) {
    if (row >= learnedRows.from && row < learnedRows.to) continue;
    compareRow(rows, words.rows, row, width, ids[row] ?? 0, where, clipPath);
  }
  return { rows: rows.slice(0, (words.end + 1) * width), end: words.end };
}

/** The checkpoint keeps a copy of CLIP's rows of the fixed words: another CLIP of the same width shows here. */
function compareRow(a: Float32Array, b: Float32Array, row: number, width: number, id: number, where: string, clipPath: string): void {
  let apart = 0;
  let size = 0;
  for (let i = row * width; i < (row + 1) * width; i++) {
    apart = Math.max(apart, Math.abs((a[i] ?? 0) - (b[i] ?? 0)));
    size = Math.max(size, Math.abs(b[i] ?? 0));
  }
  if (!(apart <= 1e-3 + 0.01 * size))
    refuse(
      where,
      `its row of token ${id} differs from that of ${clipPath} by ${apart.toPrecision(3)}: it was trained with another CLIP model`,
      FIT,
    );
}

function deepPrompts(section: Tensors, width: number, clip: ClipWeights, where: string): Float32Array[] {
  const deep: Float32Array[] = [];
  for (let i = 0; ; i++) {
    const tensor = section.get(`compound_prompts_text.${i}`);
    if (tensor === undefined) break;
    const [rows = 0, columns] = tensor.shape;
    if (tensor.shape.length !== 2 || columns !== width || rows < 1 || rows * width !== (deep[0]?.length ?? rows * width))
      refuse(where, `tensor ${quoted(tensor.name)} has shape [${tensor.shape.join()}], expected [m,${width}], the same m for all`, FIT);
    deep.push(tensor.read());
  }
  if (deep.length >= clip.config.text.layers)
    refuse(where, `has learned tokens for ${deep.length + 1} blocks, the text tower has ${clip.config.text.layers}`, FIT);
  return deep;
}
