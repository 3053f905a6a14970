/** Opens a checkpoint of any format this product reads; what it is, its first bytes tell, not its name. */
import { RandomAccessFile } from './file';
import { advice, quoted, refuse } from './refuse';
import { readSafetensors } from './safetensors';
import type { LazyTensor } from './tensors';
import { readTorch } from './torch';

export type Tensors = ReadonlyMap<string, LazyTensor>;

/** An open checkpoint: the one owner of its file. Tensors can be read until `close`. */
export interface Checkpoint {
  readonly path: string;
  readonly format: 'torchscript' | 'torch' | 'safetensors';
  /** By dotted name, in the order of the file. */
  readonly tensors: Tensors;
  /** Texts of a safetensors header; empty for the others. */
  readonly metadata: ReadonlyMap<string, string>;
  close(): void;
}

/**
 * Opens `path` and checks its structure; weights are read and checked later, one tensor at a time.
 * Throws CHECKPOINT_REFUSED with the reason for anything else than a sound archive of weights.
 */
export function openCheckpoint(path: string): Checkpoint {
  const file = RandomAccessFile.open(path);
  try {
    const contents = readContents(file);
    return { path, ...contents, close: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
}

function readContents(file: RandomAccessFile): Pick<Checkpoint, 'format' | 'tensors' | 'metadata'> {
  const head = file.read(0, Math.min(file.size, 512));
  if (head.subarray(0, 4).equals(Buffer.from('PK\x03\x04', 'latin1'))) return { ...readTorch(file), metadata: new Map() };
  if (head.length >= 9 && head[8] === 0x7b && head.readUInt32LE(4) === 0) return { format: 'safetensors', ...readSafetensors(file) };
  return refuse(file.path, ...whatElse(head));
}

/** What a file that is no checkpoint seems to be, and what to do about it. */
function whatElse(head: Buffer): [what: string, todo: string] {
  const text = head.toString('latin1');
  if (head.length === 0) return ['is empty', advice.damaged];
  if (text.startsWith('\x80\x02\x8a\x0al\xfc\x9cF') || text.slice(257, 262) === 'ustar') {
    return [
      'is in the format torch.save had before PyTorch 1.6',
      'Load it with a newer PyTorch and save it again: torch.save(torch.load(FILE, weights_only=True), NEW_FILE).',
    ];
  }
  if (text.startsWith('\x80')) return ['is a bare pickle, which could run any program when loaded', advice.weightsOnly];
  if (text.startsWith('\x1f\x8b')) return ['is compressed with gzip', 'Unpack it first: gunzip FILE.'];
  if (text.startsWith('version https://git-lfs')) return ['is a Git LFS pointer, not the file itself', 'Fetch the file: git lfs pull.'];
  if (/^\s*</.test(text)) return ['is a web page, not a checkpoint', 'Download the file itself, not its page.'];
  return ['is neither a PyTorch archive (.pt, .pth, .ckpt) nor safetensors', advice.damaged];
}

/**
 * The tensors that share the prefix in front of `name`, that prefix taken off. Checkpoints wrap the same weights differently
 * (`prompt_learner.`, `state_dict.`, `module.`, Lightning's `state_dict.net.`): with `name` 'prompt_learner.ctx_pos' all of them
 * look alike. Of several prefixes the shortest, then the first in the alphabet, is taken. null where no tensor ends in `name`.
 */
export function sectionOf(tensors: Tensors, name: string): Tensors | null {
  const prefixes = [...tensors.keys()]
    .filter((key) => key === name || key.endsWith(`.${name}`))
    .map((key) => key.slice(0, key.length - name.length))
    .sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  const [prefix] = prefixes;
  return prefix === undefined ? null : withoutPrefix(tensors, prefix);
}

/** Tensors whose names begin with `prefix`, that prefix taken off. */
export function withoutPrefix(tensors: Tensors, prefix: string): Tensors {
  const section = new Map<string, LazyTensor>();
  for (const [name, tensor] of tensors) {
    const rest = name.slice(prefix.length);
    if (name.startsWith(prefix) && rest !== '') section.set(rest, tensor.renamed(rest));
  }
  return section;
}

/** The tensor of that name; `where` names the file in the refusal. */
export function tensorNamed(tensors: Tensors, name: string, where: string): LazyTensor {
  return tensors.get(name) ?? refuse(where, `has no tensor ${quoted(name)}`, 'Give the checkpoint that belongs to this method.');
}
