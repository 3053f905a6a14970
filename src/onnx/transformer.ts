/**
 * Blocks of CLIP's transformers (openai/CLIP clip/model.py; AnomalyCLIP's V-V attention, zqhang/AnomalyCLIP AnomalyCLIP.py) on
 * values of shape [batch, tokens, width]. The stream between blocks and the layer norms stay float32; with half precision the
 * matrix products, softmax and activations in between are float16, as autocast does. With int8 the weights of the four matrix products of
 * a block are whole numbers and their inputs are rounded at run time; all else is float32.
 */
import { linear } from './blocks';
import { elements, GraphError, type Value } from './graph';
import { add, cast, dynamicMatMul, erf, layerNorm, matMul, mul, reshape, sigmoid, slice, softmax, transpose } from './ops';
import { dataTypes } from './wire';

/** Element type of the arithmetic inside the blocks. */
export type Arithmetic = 'float32' | 'float16';

export interface Norm {
  scale: Value; // [width]
  bias: Value; // [width]
}

/** y = x weight + bias. */
export interface Affine {
  weight: Value; // [in, out]; int8: whole numbers, to be multiplied by `scale`
  scale?: Value; // [out], with an int8 weight
  bias: Value; // [out]
}

/** Weights of one residual block. Query, and key and value, are apart: some blocks ask for one query row only. */
export interface Block {
  heads: number;
  norm1: Norm;
  query: Affine; // [width, width]
  keyValue: Affine; // [width, 2 width]
  out: Affine;
  norm2: Norm;
  expand: Affine; // [width, mlp]
  contract: Affine; // [mlp, width]
  activation: 'quickgelu' | 'gelu';
}

export const as = (x: Value, type: Arithmetic): Value => (x.type === type ? x : cast(x, type, dataTypes[type].code));

export const normed = (x: Value, { scale, bias }: Norm): Value => layerNorm(x, scale, bias);
const affine = (x: Value, { weight, scale, bias }: Affine): Value =>
  scale === undefined ? linear(x, weight, bias) : add(dynamicMatMul(x, weight, scale), bias);
/** What goes into it. */
const arithmeticOf = ({ bias }: Affine): Arithmetic => (bias.type === 'float16' ? 'float16' : 'float32');

/** x sigmoid(1.702 x), or x (1 + erf(x / sqrt 2)) / 2. */
export function activate(x: Value, kind: Block['activation']): Value {
  if (kind === 'quickgelu') return mul(x, sigmoid(mul(x, 1.702)));
  return mul(mul(x, add(erf(mul(x, Math.SQRT1_2)), 1)), 0.5);
}

/** [b, n, width] -> [b, heads, n, width / heads]. */
function split(x: Value, heads: number): Value {
  const [b = 0, n = 0, width = 0] = x.shape;
  if (x.shape.length !== 3 || width % heads !== 0) throw new GraphError(`attention: [${x.shape.join()}] with ${heads} heads`);
  return transpose(reshape(x, [b, n, heads, width / heads]), [0, 2, 1, 3]);
}

/** softmax(q k' / sqrt d + mask) v over heads: q [b,m,w], k and v [b,n,w] -> [b,m,w]. */
export function attend(q: Value, k: Value, v: Value, heads: number, mask: Value | null = null): Value {
  const [b = 0, m = 0, width = 0] = q.shape;
  const scaled = mul(split(q, heads), 1 / Math.sqrt(width / heads));
  const similarity = matMul(scaled, transpose(split(k, heads), [0, 1, 3, 2]));
  const weights = softmax(mask === null ? similarity : add(similarity, mask));
  return reshape(transpose(matMul(weights, split(v, heads)), [0, 2, 1, 3]), [b, m, width]);
}

/** x + mlp(norm2(x)). */
export function feedForward(x: Value, block: Block): Value {
  const h = as(normed(x, block.norm2), arithmeticOf(block.expand));
  return add(x, as(affine(activate(affine(h, block.expand), block.activation), block.contract), 'float32'));
}

/** Keys and values of norm1(x), and that norm itself, in the arithmetic of the block. */
function keysAndValues(x: Value, block: Block): { h: Value; k: Value; v: Value } {
  const h = as(normed(x, block.norm1), arithmeticOf(block.keyValue));
  const width = x.shape[2] ?? 0;
  const kv = affine(h, block.keyValue);
  return { h, k: slice(kv, 2, 0, width), v: slice(kv, 2, width, 2 * width) };
}

/** An ordinary block on all rows. `mask` [n,n] is added to the similarities (the text tower's causal mask). */
export function ordinaryBlock(x: Value, block: Block, mask: Value | null = null): Value {
  const { h, k, v } = keysAndValues(x, block);
  const o = affine(attend(affine(h, block.query), k, v, block.heads, mask), block.out);
  return feedForward(add(x, as(o, 'float32')), block);
}

export interface DualOutput {
  /** The ordinary path: all rows, or the class token's only. */
  ordinary: Value;
  /** The V-V path; null where it was not asked for. */
  dual: Value | null;
}

/**
 * A block of the last kind or with a second path. `classOnly`: of the ordinary path only row 0 is computed. `dual`: the stream of the
 * V-V path before this block (at the first dual block that is x itself), or null for no V-V path:
 * dual + out(softmax(v v' / sqrt d) v), with v of the ordinary path, no feed-forward.
 */
export function dualBlock(x: Value, block: Block, options: { classOnly: boolean; dual: Value | null }): DualOutput {
  const { h, k, v } = keysAndValues(x, block);
  const first = (value: Value): Value => (options.classOnly ? slice(value, 1, 0, 1) : value);
  const o = affine(attend(affine(first(h), block.query), k, v, block.heads), block.out);
  const ordinary = feedForward(add(first(x), as(o, 'float32')), block);
  if (options.dual === null) return { ordinary, dual: null };
  const vv = affine(attend(v, v, v, block.heads), block.out);
  return { ordinary, dual: add(options.dual, as(vv, 'float32')) };
}

/** Rows of `table` [n, ...] by number: one lookup with constant indices of any shape -> [...shape, ...]. */
export function gather(table: Value, indices: readonly number[], shape: readonly number[], name: string): Value {
  const [rows = 0, ...rest] = table.shape;
  if (elements(shape) !== indices.length || indices.some((i) => !(Number.isSafeInteger(i) && i >= 0 && i < rows)))
    throw new GraphError(`Gather: ${indices.length} indices of ${rows} rows as [${shape.join()}]`);
  const at = table.graph.constant(name, 'int64', shape, BigInt64Array.from(indices, BigInt));
  return table.graph.node('Gather', [table, at], [...shape, ...rest], { axis: { int: 0 } }, table.type);
}
