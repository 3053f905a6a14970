/**
 * Another tool's ONNX model brought under the contract of a bundle: its one picture input made static, its outputs replaced by `score`
 * [1] and `map` [1,H,W]. Nodes and weights are copied as they lie, in pieces, never parsed into memory; nothing in them is trusted: the
 * result goes through `checkModel` before a runtime sees it.
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { reason, VerdictdError } from '../errors';
import { type Field, FileSource, fields, integers, Malformed, message, type Span, text } from './source';
import {
  AttributeField,
  AttributeType,
  type Deferred,
  DimField,
  dataTypes,
  GraphField,
  Message,
  ModelField,
  NodeField,
  ShapeField,
  TensorField,
  TensorTypeField,
  TypeField,
  ValueInfoField,
} from './wire';

/** An input or output as a model declares it; null for a size it leaves open, -1 rank never. */
export interface Declared {
  name: string;
  type: number; // TensorProto.DataType
  shape: (number | null)[] | null;
}

export interface Borders {
  /** Without those that are weights under another heading (IR version 3). */
  inputs: Declared[];
  outputs: Declared[];
}

export interface Wrapping {
  input: { name: string; height: number; width: number };
  score: Declared | null; // null: the largest value of the map
  map: Declared;
  /** Size of the map; null for a trial model that has `shape` (int64 [rank of the map]) as its only output. */
  size: { height: number; width: number } | null;
}

/** Names and shapes at the model's border. Throws BUNDLE_REFUSED. */
export function bordersOf(path: string): Borders {
  return withFile(path, (file) => {
    const { graph } = parts(file);
    const weights = new Set<string>();
    const [inputs, outputs]: [Declared[], Declared[]] = [[], []];
    for (const field of fields(graph)) {
      if (field.number === GraphField.initializer) weights.add(nameOf(message(field)));
      else if (field.number === GraphField.input) inputs.push(declared(message(field)));
      else if (field.number === GraphField.output) outputs.push(declared(message(field)));
      if (inputs.length + outputs.length > 1000) throw new Malformed('it has an absurd number of inputs or outputs');
    }
    return { inputs: inputs.filter(({ name }) => !weights.has(name)), outputs };
  });
}

/** Writes the wrapped model to the new file `to`, fsynced. Throws BUNDLE_REFUSED. */
export function writeWrapped(path: string, to: string, wrapping: Wrapping): void {
  withFile(path, (file) => {
    const { graph, others } = parts(file);
    const inner = new Message();
    for (const field of fields(graph)) {
      const { number } = field;
      const replaced = ([GraphField.input, GraphField.output, GraphField.valueInfo, GraphField.doc] as number[]).includes(number);
      if (!replaced) copy(inner, field);
    }
    const { input } = wrapping;
    addPort(inner, GraphField.input, input.name, dataTypes.float32.code, [1, 3, input.height, input.width]);
    addOutputs(inner, wrapping);
    const model = new Message();
    for (const field of others) copy(model, field);
    model.message(ModelField.graph, inner);
    const out = openSync(to, 'wx', 0o644);
    try {
      for (const chunk of model.chunks)
        for (const piece of chunk instanceof Uint8Array ? [chunk] : chunk.pieces())
          for (let done = 0; done < piece.length; ) done += writeSync(out, piece, done);
      fsyncSync(out);
    } finally {
      closeSync(out);
    }
  });
}

const own = (name: string): string => `verdictd_${name}`;

function addOutputs(graph: Message, { score, map, size }: Wrapping): void {
  if (size === null) {
    addNode(graph, 'Shape', [map.name], 'shape', {});
    addPort(graph, GraphField.output, 'shape', dataTypes.int64.code, [map.shape?.length ?? 0]);
    return;
  }
  const mapName = asFloat(graph, map);
  addShape(graph, own('map_shape'), [1, size.height, size.width]);
  addNode(graph, 'Reshape', [mapName, own('map_shape')], 'map', {});
  addPort(graph, GraphField.output, 'map', dataTypes.float32.code, [1, size.height, size.width]);
  let scoreName: string;
  if (score === null) {
    scoreName = own('largest');
    addNode(graph, 'ReduceMax', [mapName], scoreName, { keepdims: 0 });
  } else scoreName = asFloat(graph, score);
  addShape(graph, own('score_shape'), [1]);
  addNode(graph, 'Reshape', [scoreName, own('score_shape')], 'score', {});
  addPort(graph, GraphField.output, 'score', dataTypes.float32.code, [1]);
}

function asFloat(graph: Message, value: Declared): string {
  if (value.type === dataTypes.float32.code) return value.name;
  const name = own(`float_${value.name}`);
  addNode(graph, 'Cast', [value.name], name, { to: dataTypes.float32.code });
  return name;
}

function addNode(graph: Message, op: string, inputs: readonly string[], output: string, attributes: Record<string, number>): void {
  const node = new Message();
  for (const input of inputs) node.text(NodeField.input, input);
  node
    .text(NodeField.output, output)
    .text(NodeField.name, own(`n_${output}`))
    .text(NodeField.opType, op);
  for (const [name, value] of Object.entries(attributes))
    node.message(
      NodeField.attribute,
      new Message().text(AttributeField.name, name).int(AttributeField.i, value).int(AttributeField.type, AttributeType.int),
    );
  graph.message(GraphField.node, node);
}

function addShape(graph: Message, name: string, shape: readonly number[]): void {
  const data = BigInt64Array.from(shape, BigInt);
  const tensor = new Message()
    .int(TensorField.dims, shape.length)
    .int(TensorField.dataType, dataTypes.int64.code)
    .text(TensorField.name, name);
  graph.message(GraphField.initializer, tensor.bytes(TensorField.rawData, new Uint8Array(data.buffer)));
}

function addPort(graph: Message, field: number, name: string, type: number, shape: readonly number[]): void {
  const dims = new Message();
  for (const n of shape) dims.message(ShapeField.dim, new Message().int(DimField.value, n));
  const tensor = new Message().int(TensorTypeField.elementType, type).message(TensorTypeField.shape, dims);
  const info = new Message().text(ValueInfoField.name, name).message(ValueInfoField.type, new Message().message(TypeField.tensor, tensor));
  graph.message(field, info);
}

function withFile<T>(path: string, use: (file: FileSource) => T): T {
  let file: FileSource | null = null;
  try {
    file = new FileSource(path);
    return use(file);
  } catch (thrown) {
    throw new VerdictdError(
      'BUNDLE_REFUSED',
      `${path} is refused: ${reason(thrown)}. Expected a self-contained ONNX model; export it again.`,
      {
        cause: thrown,
      },
    );
  } finally {
    file?.close();
  }
}

function parts(file: FileSource): { graph: Span; others: Field[] } {
  let graph: Span | null = null;
  const others: Field[] = [];
  for (const field of fields({ source: file, start: 0, end: file.size })) {
    if (others.length > 1000) throw new Malformed('it is no ONNX model');
    if (field.number === ModelField.graph) {
      if (graph !== null) throw new Malformed('it has two graphs');
      graph = message(field);
    } else if (field.number !== ModelField.metadata) others.push(field);
  }
  if (graph === null) throw new Malformed('it has no graph');
  return { graph, others };
}

function copy(to: Message, field: Field): void {
  if (field.wire === 2) to.bytes(field.number, deferred(field.span));
  else if (field.wire === 0) to.int(field.number, field.value);
  else throw new Malformed(`field ${field.number} has no place there`);
}

const pieceBytes = 1 << 20;

function deferred({ source, start, end }: Span): Deferred {
  return {
    length: end - start,
    *pieces() {
      for (let at = start; at < end; at += pieceBytes) yield source.read(at, Math.min(pieceBytes, end - at));
    },
  };
}

function nameOf(tensor: Span): string {
  for (const field of fields(tensor)) if (field.number === TensorField.name) return text(field);
  return '';
}

function declared(span: Span): Declared {
  const found: Declared = { name: '', type: 0, shape: null };
  for (const field of fields(span)) {
    if (field.number === ValueInfoField.name) found.name = text(field);
    if (field.number !== ValueInfoField.type) continue;
    for (const kind of fields(message(field))) {
      if (kind.number !== TypeField.tensor) continue;
      for (const part of fields(message(kind))) {
        if (part.number === TensorTypeField.elementType) found.type = part.value;
        else if (part.number === TensorTypeField.shape)
          found.shape = [...fields(message(part))].filter(({ number }) => number === ShapeField.dim).map((dim) => sizeOf(message(dim)));
      }
    }
  }
  return found;
}

function sizeOf(dim: Span): number | null {
  for (const field of fields(dim)) if (field.number === DimField.value) return integers(field)[0] ?? null;
  return null;
}
