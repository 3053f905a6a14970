/**
 * A typed ONNX graph under construction. Every value carries its static shape, so a shape mistake fails where it is made, at
 * build time, and never on the rig. IR version 8, opset 17: what ONNX Runtime 1.15+ and TensorRT 10.3 read.
 */
import { closeSync, fsyncSync, openSync, writevSync } from 'node:fs';
import { halfBits } from './half';
import {
  AttributeField,
  AttributeType,
  type DataType,
  DimField,
  dataTypes,
  GraphField,
  Message,
  ModelField,
  NodeField,
  OpsetField,
  ShapeField,
  TensorField,
  TensorTypeField,
  TypeField,
  ValueInfoField,
} from './wire';

export const irVersion = 8;
export const opset = 17;

export type Shape = readonly number[];
export type Attribute = { int: number } | { float: number } | { ints: readonly number[] } | { text: string };
type Data = Float32Array | BigInt64Array | Int32Array | Int8Array | Uint8Array | Uint16Array;
/** Elements of a deferred weight. */
export type Piece = Float32Array | Uint16Array | Int8Array;

/** A tensor in the graph: its name, element type and static shape. */
export interface Value {
  readonly graph: Graph;
  readonly name: string;
  readonly type: DataType;
  readonly shape: Shape;
}

/** Elements of a tensor of this shape. */
export function elements(shape: Shape): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** A loop: `every` with a callback takes six times as long, and banks are large. */
function finite(data: Float32Array): boolean {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return false;
  return true;
}

/** A mistake of the programmer who builds a graph; it never depends on what a user does. */
export class GraphError extends Error {
  override readonly name = 'GraphError';
}

export class Graph {
  private readonly nodes: Message[] = [];
  private readonly initializers: Message[] = [];
  private readonly inputs: Message[] = [];
  private readonly outputs: Message[] = [];
  private readonly names = new Set<string>();
  private readonly shared = new Map<string, Value>();

  constructor(readonly name: string) {}

  input(name: string, type: DataType, shape: Shape): Value {
    const value = this.value(this.claim(name), type, shape);
    this.inputs.push(valueInfo(value));
    return value;
  }

  /** A weight. The data is borrowed until the graph has been written. */
  constant(name: string, type: DataType, shape: Shape, data: Data): Value {
    if (data.length !== elements(shape)) throw new GraphError(`constant ${name}: ${data.length} numbers for shape [${shape.join()}]`);
    if (data.BYTES_PER_ELEMENT !== dataTypes[type].bytes) throw new GraphError(`constant ${name}: ${type} wants other elements`);
    if (data instanceof Float32Array && !finite(data)) throw new GraphError(`constant ${name} holds NaN or infinity`);
    const value = this.value(this.claim(name), type, shape);
    const tensor = new Message()
      .ints(TensorField.dims, shape)
      .int(TensorField.dataType, dataTypes[type].code)
      .text(TensorField.name, value.name);
    this.initializers.push(tensor.bytes(TensorField.rawData, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)));
    return value;
  }

  /**
   * A weight whose data is made while the model is written, once for each writing: `pieces` gives the elements in C order, of
   * `type`. A total that does not fit the shape throws then.
   */
  deferred(name: string, type: 'float32' | 'float16' | 'int8', shape: Shape, pieces: () => Iterable<Piece>): Value {
    const value = this.value(this.claim(name), type, shape);
    const length = elements(shape) * dataTypes[type].bytes;
    const tensor = new Message()
      .ints(TensorField.dims, shape)
      .int(TensorField.dataType, dataTypes[type].code)
      .text(TensorField.name, value.name);
    this.initializers.push(tensor.bytes(TensorField.rawData, { length, pieces: () => bytesOf(name, length, pieces()) }));
    return value;
  }

  /** A float32 weight. */
  weight(name: string, shape: Shape, data: Float32Array): Value {
    return this.constant(name, 'float32', shape, data);
  }

  /** One number, shared by everything that uses the same. */
  scalar(number: number, type: DataType = 'float32'): Value {
    if (type === 'float16') return this.once(`h_${number}`, (name) => this.constant(name, type, [], Uint16Array.of(halfBits(number))));
    return this.once(`c_${number}`, (name) => this.constant(name, 'float32', [], Float32Array.of(number)));
  }

  /** A one-dimensional int64 constant: axes, shapes, counts. */
  indices(numbers: readonly number[]): Value {
    return this.once(`i_${numbers.join('_')}`, (name) =>
      this.constant(name, 'int64', [numbers.length], BigInt64Array.from(numbers, BigInt)),
    );
  }

  /** A node with one output of the given type and shape. Ops in ops.ts work the shape out; call those. */
  node(op: string, inputs: readonly Value[], shape: Shape, attributes: Record<string, Attribute> = {}, type: DataType = 'float32'): Value {
    const [value] = this.nodeOf(op, inputs, [{ type, shape }], attributes);
    if (value === undefined) throw new GraphError('no output');
    return value;
  }

  /** A node with several outputs. */
  nodeOf(
    op: string,
    inputs: readonly Value[],
    outputs: readonly { type: DataType; shape: Shape }[],
    attributes: Record<string, Attribute> = {},
  ): Value[] {
    for (const input of inputs) if (input.graph !== this) throw new GraphError(`${op}: ${input.name} belongs to another graph`);
    const message = new Message();
    for (const input of inputs) message.text(NodeField.input, input.name);
    const values = outputs.map((output) => this.value(this.unique(op.toLowerCase()), output.type, output.shape));
    for (const value of values) message.text(NodeField.output, value.name);
    message.text(NodeField.name, `n_${values[0]?.name ?? op}`).text(NodeField.opType, op);
    for (const [name, attribute] of Object.entries(attributes)) message.message(NodeField.attribute, attributeMessage(name, attribute));
    this.nodes.push(message);
    return values;
  }

  /** Makes a value an output under `name`. */
  output(name: string, value: Value): void {
    const out = this.value(this.claim(name), value.type, value.shape);
    this.nodes.push(
      new Message()
        .text(NodeField.input, value.name)
        .text(NodeField.output, name)
        .text(NodeField.name, `n_${name}`)
        .text(NodeField.opType, 'Identity'),
    );
    this.outputs.push(valueInfo(out));
  }

  toBuffer(): Buffer {
    return this.model().toBuffer();
  }

  /** Writes the model and fsyncs it, without a second copy of the weights in memory. */
  writeFile(path: string): void {
    const file = openSync(path, 'wx', 0o644);
    try {
      let waiting: Uint8Array[] = [];
      const flush = () => {
        writeAll(file, waiting);
        waiting = [];
      };
      for (const chunk of this.model().chunks) {
        if (chunk instanceof Uint8Array) waiting.push(chunk);
        else {
          flush();
          for (const piece of chunk.pieces()) writeAll(file, [piece]);
        }
        if (waiting.length >= 512) flush();
      }
      flush();
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  private model(): Message {
    const graph = new Message();
    for (const node of this.nodes) graph.message(GraphField.node, node);
    graph.text(GraphField.name, this.name);
    for (const tensor of this.initializers) graph.message(GraphField.initializer, tensor);
    for (const input of this.inputs) graph.message(GraphField.input, input);
    for (const output of this.outputs) graph.message(GraphField.output, output);
    return new Message()
      .int(ModelField.irVersion, irVersion)
      .text(ModelField.producerName, 'verdictd')
      .message(ModelField.graph, graph)
      .message(ModelField.opsetImport, new Message().text(OpsetField.domain, '').int(OpsetField.version, opset));
  }

  private value(name: string, type: DataType, shape: Shape): Value {
    for (const n of shape) if (!Number.isSafeInteger(n) || n < 1) throw new GraphError(`${name}: shape [${shape.join()}]`);
    return { graph: this, name, type, shape: [...shape] };
  }

  private claim(name: string): string {
    if (this.names.has(name)) throw new GraphError(`the name ${name} is taken`);
    this.names.add(name);
    return name;
  }

  private unique(stem: string): string {
    let name = stem;
    for (let i = 1; this.names.has(name); i = this.names.size + 1) name = `${stem}_${i}`;
    return this.claim(name);
  }

  private once(key: string, make: (name: string) => Value): Value {
    const known = this.shared.get(key) ?? make(key);
    this.shared.set(key, known);
    return known;
  }
}

/** An input or output as a model declares it. */
export function valueInfo(value: Pick<Value, 'name' | 'type' | 'shape'>): Message {
  const shape = new Message();
  for (const n of value.shape) shape.message(ShapeField.dim, new Message().int(DimField.value, n));
  const tensor = new Message().int(TensorTypeField.elementType, dataTypes[value.type].code).message(TensorTypeField.shape, shape);
  return new Message().text(ValueInfoField.name, value.name).message(ValueInfoField.type, new Message().message(TypeField.tensor, tensor));
}

function attributeMessage(name: string, attribute: Attribute): Message {
  const message = new Message().text(AttributeField.name, name);
  if ('int' in attribute) return message.int(AttributeField.i, attribute.int).int(AttributeField.type, AttributeType.int);
  if ('float' in attribute) return message.float(AttributeField.f, attribute.float).int(AttributeField.type, AttributeType.float);
  if ('ints' in attribute) return message.ints(AttributeField.ints, attribute.ints).int(AttributeField.type, AttributeType.ints);
  return message.text(AttributeField.s, attribute.text).int(AttributeField.type, AttributeType.string);
}

function* bytesOf(name: string, length: number, pieces: Iterable<Piece>): Generator<Uint8Array> {
  let total = 0;
  for (const piece of pieces) {
    total += piece.byteLength;
    if (total > length) break;
    yield new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
  }
  if (total !== length) throw new GraphError(`weight ${name} gave ${total} bytes; expected ${length}`);
}

/** writev may write less than asked; the rest follows. */
function writeAll(file: number, chunks: readonly Uint8Array[]): void {
  let rest = [...chunks];
  while (rest.length > 0) {
    let written = writevSync(file, rest);
    while (rest[0] !== undefined && written >= rest[0].length) {
      written -= rest[0].length;
      rest = rest.slice(1);
    }
    if (rest[0] !== undefined && written > 0) rest[0] = rest[0].subarray(written);
  }
}
