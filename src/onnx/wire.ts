/**
 * The part of ONNX's protobuf that is used here, written by hand: field numbers of onnx.proto (IR version 8), varints and
 * length-delimited fields. A message is a list of chunks, so weights are never copied and a model streams to a file.
 */

export const ModelField = {
  irVersion: 1,
  producerName: 2,
  producerVersion: 3,
  graph: 7,
  opsetImport: 8,
  metadata: 14,
  trainingInfo: 20,
  functions: 25,
} as const;
export const OpsetField = { domain: 1, version: 2 } as const;
export const GraphField = {
  node: 1,
  name: 2,
  initializer: 5,
  doc: 10,
  input: 11,
  output: 12,
  valueInfo: 13,
  quantization: 14,
  sparseInitializer: 15,
} as const;
export const NodeField = { input: 1, output: 2, name: 3, opType: 4, attribute: 5, doc: 6, domain: 7 } as const;
export const AttributeField = {
  name: 1,
  f: 2,
  i: 3,
  s: 4,
  t: 5,
  g: 6,
  floats: 7,
  ints: 8,
  strings: 9,
  tensors: 10,
  graphs: 11,
  type: 20,
  refName: 21,
  sparse: 22,
  sparses: 23,
} as const;
export const AttributeType = { float: 1, int: 2, string: 3, tensor: 4, graph: 5, floats: 6, ints: 7 } as const;
export const TensorField = {
  dims: 1,
  dataType: 2,
  segment: 3,
  floatData: 4,
  int32Data: 5,
  stringData: 6,
  int64Data: 7,
  name: 8,
  rawData: 9,
  doubleData: 10,
  uint64Data: 11,
  externalData: 13,
  dataLocation: 14,
} as const;
export const ValueInfoField = { name: 1, type: 2 } as const;
export const TypeField = { tensor: 1 } as const;
export const TensorTypeField = { elementType: 1, shape: 2 } as const;
export const ShapeField = { dim: 1 } as const;
export const DimField = { value: 1, param: 2 } as const;

/** TensorProto.DataType numbers and element sizes in bytes. Text and complex numbers have no place in a model here. */
export const dataTypes = {
  float32: { code: 1, bytes: 4 },
  uint8: { code: 2, bytes: 1 },
  int8: { code: 3, bytes: 1 },
  uint16: { code: 4, bytes: 2 },
  int16: { code: 5, bytes: 2 },
  int32: { code: 6, bytes: 4 },
  int64: { code: 7, bytes: 8 },
  bool: { code: 9, bytes: 1 },
  float16: { code: 10, bytes: 2 },
  float64: { code: 11, bytes: 8 },
  uint32: { code: 12, bytes: 4 },
  uint64: { code: 13, bytes: 8 },
  bfloat16: { code: 16, bytes: 2 },
} as const;
export type DataType = keyof typeof dataTypes;

function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value)); // negative numbers: ten bytes, two's complement
  const bytes: number[] = [];
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

const utf8 = new TextEncoder();

/** Bytes of a known length that are made only while the model is written: weights larger than memory pass through in pieces. */
export interface Deferred {
  readonly length: number; // bytes
  pieces(): Iterable<Uint8Array>;
}
export type Chunk = Uint8Array | Deferred;

/** One protobuf message under construction. Fields are kept in the order of the calls; chunks are borrowed, not copied. */
export class Message {
  readonly chunks: Chunk[] = [];
  length = 0;

  int(field: number, value: number | bigint): this {
    return this.push(varint(field * 8)).push(varint(value));
  }
  float(field: number, value: number): this {
    return this.push(varint(field * 8 + 5)).push(new Uint8Array(Float32Array.of(value).buffer));
  }
  bytes(field: number, value: Chunk): this {
    return this.push(varint(field * 8 + 2))
      .push(varint(value.length))
      .push(value);
  }
  text(field: number, value: string): this {
    return this.bytes(field, utf8.encode(value));
  }
  ints(field: number, values: readonly number[]): this {
    for (const value of values) this.int(field, value); // unpacked: every reader takes it
    return this;
  }
  message(field: number, inner: Message): this {
    this.push(varint(field * 8 + 2)).push(varint(inner.length));
    this.chunks.push(...inner.chunks);
    this.length += inner.length;
    return this;
  }

  /** Everything in one piece, deferred bytes made now. */
  toBuffer(): Buffer {
    return Buffer.concat(this.chunks.flatMap((chunk) => (chunk instanceof Uint8Array ? chunk : [...chunk.pieces()])));
  }

  private push(chunk: Chunk): this {
    this.chunks.push(chunk);
    this.length += chunk.length;
    return this;
  }
}
