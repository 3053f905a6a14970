/**
 * ONNX operators (opset 17) on values of a graph, each with its shape rule. Numbers stand for scalars. Only operators that
 * ONNX Runtime's CPU provider and TensorRT 10.3 both take, with static shapes.
 */
import { type Attribute, elements, GraphError, type Shape, type Value } from './graph';
import { type DataType, dataTypes } from './wire';

export type Operand = Value | number;

/** NumPy's broadcasting rule. */
export function broadcast(a: Shape, b: Shape, what: string): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) throw new GraphError(`${what}: [${a.join()}] and [${b.join()}] do not fit`);
    return Math.max(x, y);
  });
}

function binary(op: string, a: Value, b: Operand): Value {
  const right = typeof b === 'number' ? a.graph.scalar(b, a.type) : b;
  if (right.type !== a.type) throw new GraphError(`${op}: ${a.type} and ${right.type}`);
  return a.graph.node(op, [a, right], broadcast(a.shape, right.shape, op), {}, a.type);
}
export const add = (a: Value, b: Operand): Value => binary('Add', a, b);
export const sub = (a: Value, b: Operand): Value => binary('Sub', a, b);
export const mul = (a: Value, b: Operand): Value => binary('Mul', a, b);
export const div = (a: Value, b: Operand): Value => binary('Div', a, b);
export const pow = (a: Value, b: Operand): Value => binary('Pow', a, b);
export const max = (a: Value, b: Operand): Value => binary('Max', a, b);
export const min = (a: Value, b: Operand): Value => binary('Min', a, b);

const unary =
  (op: string) =>
  (x: Value): Value =>
    x.graph.node(op, [x], x.shape, {}, x.type);
export const sqrt = unary('Sqrt');
export const exp = unary('Exp');
export const log = unary('Log');
export const abs = unary('Abs');
export const neg = unary('Neg');
export const relu = unary('Relu');
export const sigmoid = unary('Sigmoid');
export const erf = unary('Erf');

/** x at least `low`; both sides with `high`. */
export function clip(x: Value, low: number, high?: number): Value {
  const bounds = high === undefined ? [x.graph.scalar(low)] : [x.graph.scalar(low), x.graph.scalar(high)];
  return x.graph.node('Clip', [x, ...bounds], x.shape, {}, x.type);
}

export function cast(x: Value, type: DataType, code: number): Value {
  return x.graph.node('Cast', [x], x.shape, { to: { int: code } }, type);
}

/** [.., n, k] x [.., k, m] -> [.., n, m], leading dimensions broadcast. */
export function matMul(a: Value, b: Value): Value {
  const [n, k] = a.shape.slice(-2);
  const [k2, m] = b.shape.slice(-2);
  if (n === undefined || k === undefined || k2 === undefined || m === undefined || k !== k2)
    throw new GraphError(`MatMul: [${a.shape.join()}] x [${b.shape.join()}]`);
  if (a.type !== b.type) throw new GraphError(`MatMul: ${a.type} and ${b.type}`);
  return a.graph.node('MatMul', [a, b], [...broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2), 'MatMul'), n, m], {}, a.type);
}

/**
 * x [.., n, k] float32 times whole numbers [k, m] int8, of which column j stands for `scale[j]` [m] times itself: x is rounded to 255 steps
 * between its least and its largest value (ONNX DynamicQuantizeLinear), the product is exact, its result float32. In this shape
 * onnxruntime's CPU provider makes one operator of the five. TensorRT takes none of them.
 */
export function dynamicMatMul(x: Value, weight: Value, scale: Value): Value {
  const [k, m] = weight.shape;
  if (weight.type !== 'int8' || x.type !== 'float32' || weight.shape.length !== 2 || x.shape.at(-1) !== k || scale.shape.join() !== `${m}`)
    throw new GraphError(`MatMulInteger: ${x.type} [${x.shape.join()}] x ${weight.type} [${weight.shape.join()}]`);
  const { graph } = x;
  const parts: { type: DataType; shape: Shape }[] = [
    { type: 'uint8', shape: x.shape },
    { type: 'float32', shape: [] },
    { type: 'uint8', shape: [] },
  ];
  const [rounded = x, step = x, zero = x] = graph.nodeOf('DynamicQuantizeLinear', [x], parts);
  const shape = [...x.shape.slice(0, -1), m ?? 0];
  const product = graph.node('MatMulInteger', [rounded, weight, zero], shape, {}, 'int32');
  return mul(cast(product, 'float32', dataTypes.float32.code), mul(scale, step));
}

export interface Window {
  kernel: readonly [number, number]; // rows, columns
  stride?: number;
  pad?: number; // the same on all sides
  group?: number;
}

function windowed(x: Value, window: Window, what: string): { rows: number; columns: number; attributes: Record<string, Attribute> } {
  const { stride = 1, pad: border = 0 } = window;
  const [height, width] = x.shape.slice(2);
  if (x.shape.length !== 4 || height === undefined || width === undefined)
    throw new GraphError(`${what}: input [${x.shape.join()}] is not [N,C,H,W]`);
  const size = (length: number, kernel: number): number => Math.floor((length + 2 * border - kernel) / stride) + 1;
  const attributes: Record<string, Attribute> = {
    kernel_shape: { ints: window.kernel },
    strides: { ints: [stride, stride] },
    pads: { ints: [border, border, border, border] },
  };
  return { rows: size(height, window.kernel[0]), columns: size(width, window.kernel[1]), attributes };
}

/** [N,C,H,W] with weight [M,C/group,kh,kw] and bias [M] or none. */
export function conv(x: Value, weight: Value, bias: Value | null, options: Omit<Window, 'kernel'> = {}): Value {
  const [m, c, kh, kw] = weight.shape;
  const group = options.group ?? 1;
  if (m === undefined || c === undefined || kh === undefined || kw === undefined || x.shape[1] !== c * group || m % group !== 0)
    throw new GraphError(`Conv: [${x.shape.join()}] with weight [${weight.shape.join()}], group ${group}`);
  if (bias !== null && (bias.shape.length !== 1 || bias.shape[0] !== m))
    throw new GraphError(`Conv: bias [${bias.shape.join()}] for ${m} channels`);
  const { rows, columns, attributes } = windowed(x, { ...options, kernel: [kh, kw] }, 'Conv');
  const inputs = bias === null ? [x, weight] : [x, weight, bias];
  if (weight.type !== x.type) throw new GraphError(`Conv: ${x.type} with weights of ${weight.type}`);
  return x.graph.node('Conv', inputs, [x.shape[0] ?? 1, m, rows, columns], { ...attributes, group: { int: group } }, x.type);
}

const pool =
  (op: string, extra: Record<string, Attribute>) =>
  (x: Value, window: Window): Value => {
    const { rows, columns, attributes } = windowed(x, window, op);
    return x.graph.node(op, [x], [x.shape[0] ?? 1, x.shape[1] ?? 1, rows, columns], { ...attributes, ...extra });
  };
/** Mean over a window; borders count only what is inside the picture. */
export const averagePool = pool('AveragePool', { count_include_pad: { int: 0 } });
export const maxPool = pool('MaxPool', {});

/** Repeats the outermost pixels of [N,C,H,W] `border` times on every side. */
export function padEdge(x: Value, border: number): Value {
  const [n = 1, c = 1, h = 1, w = 1] = x.shape;
  const pads = x.graph.indices([0, 0, border, border, 0, 0, border, border]);
  return x.graph.node('Pad', [x, pads], [n, c, h + 2 * border, w + 2 * border], { mode: { text: 'edge' } }, x.type);
}

function positive(x: Value, axis: number): number {
  const at = axis < 0 ? axis + x.shape.length : axis;
  if (at < 0 || at >= x.shape.length) throw new GraphError(`axis ${axis} of [${x.shape.join()}]`);
  return at;
}

export function softmax(x: Value, axis = -1): Value {
  return x.graph.node('Softmax', [x], x.shape, { axis: { int: positive(x, axis) } }, x.type);
}

/** Over the last axis, with scale and bias of its length. */
export function layerNorm(x: Value, scale: Value, bias: Value, epsilon = 1e-5): Value {
  const last = x.shape.at(-1);
  if (scale.shape.join() !== `${last}` || bias.shape.join() !== `${last}`)
    throw new GraphError(`LayerNormalization: [${x.shape.join()}] with [${scale.shape.join()}]`);
  return x.graph.node('LayerNormalization', [x, scale, bias], x.shape, { axis: { int: -1 }, epsilon: { float: epsilon } });
}

function reducedShape(x: Value, axes: readonly number[], keep: boolean): number[] {
  const at = new Set(axes.map((axis) => positive(x, axis)));
  return x.shape.flatMap((n, i) => (at.has(i) ? (keep ? [1] : []) : [n]));
}
const reduction =
  (op: string) =>
  (x: Value, axes: readonly number[], keep = false): Value =>
    x.graph.node(op, [x], reducedShape(x, axes, keep), {
      axes: { ints: axes.map((axis) => positive(x, axis)) },
      keepdims: { int: keep ? 1 : 0 },
    });
export const reduceMean = reduction('ReduceMean');
export const reduceMax = reduction('ReduceMax');
export const reduceMin = reduction('ReduceMin');

/** Sum over axes (since opset 13 the axes are an input of this one operator). */
export function reduceSum(x: Value, axes: readonly number[], keep = false): Value {
  const at = x.graph.indices(axes.map((axis) => positive(x, axis)));
  return x.graph.node('ReduceSum', [x, at], reducedShape(x, axes, keep), { keepdims: { int: keep ? 1 : 0 } });
}

export function reshape(x: Value, shape: Shape): Value {
  if (elements(shape) !== elements(x.shape)) throw new GraphError(`Reshape: [${x.shape.join()}] to [${shape.join()}]`);
  return x.graph.node('Reshape', [x, x.graph.indices(shape)], shape, {}, x.type);
}

export function transpose(x: Value, order: readonly number[]): Value {
  if ([...order].sort((a, b) => a - b).join() !== x.shape.map((_, i) => i).join())
    throw new GraphError(`Transpose: order ${order.join()} of [${x.shape.join()}]`);
  return x.graph.node(
    'Transpose',
    [x],
    order.map((i) => x.shape[i] ?? 0),
    { perm: { ints: order } },
    x.type,
  );
}

export function concat(parts: readonly Value[], axis: number): Value {
  const [first] = parts;
  if (first === undefined) throw new GraphError('Concat of nothing');
  const at = positive(first, axis);
  const outside = (shape: Shape): string => shape.map((n, i) => (i === at ? '*' : n)).join();
  for (const part of parts)
    if (outside(part.shape) !== outside(first.shape)) throw new GraphError(`Concat: [${first.shape.join()}] and [${part.shape.join()}]`);
  const length = parts.reduce((sum, part) => sum + (part.shape[at] ?? 0), 0);
  return first.graph.node(
    'Concat',
    parts,
    first.shape.map((n, i) => (i === at ? length : n)),
    { axis: { int: at } },
    first.type,
  );
}

/** x[start..end) along one axis. */
export function slice(x: Value, axis: number, start: number, end: number): Value {
  const at = positive(x, axis);
  if (start < 0 || end <= start || end > (x.shape[at] ?? 0))
    throw new GraphError(`Slice: ${start}..${end} of [${x.shape.join()}] axis ${axis}`);
  const { graph } = x;
  const inputs = [x, graph.indices([start]), graph.indices([end]), graph.indices([at])];
  return graph.node(
    'Slice',
    inputs,
    x.shape.map((n, i) => (i === at ? end - start : n)),
    {},
    x.type,
  );
}

/** The k largest along the last axis, largest first. */
export function topK(x: Value, k: number): Value {
  const last = x.shape.at(-1) ?? 0;
  if (!Number.isSafeInteger(k) || k < 1 || k > last) throw new GraphError(`TopK: ${k} of [${x.shape.join()}]`);
  const shape = [...x.shape.slice(0, -1), k];
  const outputs: { type: DataType; shape: Shape }[] = [
    { type: x.type, shape },
    { type: 'int64', shape },
  ];
  const [values] = x.graph.nodeOf('TopK', [x, x.graph.indices([k])], outputs, {
    axis: { int: -1 },
    largest: { int: 1 },
    sorted: { int: 1 },
  });
  if (values === undefined) throw new GraphError('TopK without output');
  return values;
}
