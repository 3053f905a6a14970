import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VerdictdError } from '../../src/errors';
import { checkModel, type Expectations } from '../../src/onnx/check';
import { Graph } from '../../src/onnx/graph';
import * as ops from '../../src/onnx/ops';
import {
  AttributeField,
  AttributeType,
  DimField,
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
} from '../../src/onnx/wire';

/** A small model with every common part, from the project's own writer. */
function sound(): Buffer {
  const graph = new Graph('sound');
  const x = graph.input('image', 'float32', [1, 3, 8, 8]);
  const y = ops.conv(x, graph.weight('w', [4, 3, 3, 3], new Float32Array(108).fill(0.5)), null, { pad: 1 });
  graph.output('map', ops.reduceMax(y, [1]));
  graph.output('score', ops.reduceMax(ops.reshape(y, [1, 256]), [-1]));
  return graph.toBuffer();
}
const expected: Expectations = {
  inputs: [{ name: 'image', type: 'float32', shape: [1, 3, 8, 8] }],
  outputs: [
    { name: 'score', type: 'float32', shape: [1] },
    { name: 'map', type: 'float32', shape: [1, -1, -1] },
  ],
};

function port(name: string, dims: readonly (number | string)[], type = 1): Message {
  const shape = new Message();
  for (const dim of dims)
    shape.message(ShapeField.dim, typeof dim === 'number' ? new Message().int(DimField.value, dim) : new Message().text(2, dim));
  const tensor = new Message().int(TensorTypeField.elementType, type).message(TensorTypeField.shape, shape);
  return new Message().text(ValueInfoField.name, name).message(ValueInfoField.type, new Message().message(TypeField.tensor, tensor));
}
const node = (op: string, inputs: string[], output: string): Message => {
  const message = new Message();
  for (const input of inputs) message.text(NodeField.input, input);
  return message.text(NodeField.output, output).text(NodeField.opType, op);
};
const tensor = (): Message => new Message().int(TensorField.dims, 1).int(TensorField.dataType, 1).text(TensorField.name, 'w');
const raw = (...numbers: number[]): Uint8Array => new Uint8Array(Float32Array.from(numbers).buffer);

interface Parts {
  node?: Message;
  weight?: Message;
  input?: Message;
  output?: Message;
  graph?: (graph: Message) => void;
  model?: (model: Message) => void;
}
/** y = x + w, with one part put in place of the good one. */
function model(parts: Parts = {}): Buffer {
  const graph = new Message()
    .message(GraphField.node, parts.node ?? node('Add', ['x', 'w'], 'y'))
    .text(GraphField.name, 'g')
    .message(GraphField.initializer, parts.weight ?? tensor().bytes(TensorField.rawData, raw(1)))
    .message(GraphField.input, parts.input ?? port('x', [1]))
    .message(GraphField.output, parts.output ?? port('y', [1]));
  parts.graph?.(graph);
  const all = new Message()
    .int(ModelField.irVersion, 8)
    .message(ModelField.graph, graph)
    .message(ModelField.opsetImport, new Message().text(OpsetField.domain, '').int(OpsetField.version, 17));
  parts.model?.(all);
  return all.toBuffer();
}

function refusal(bytes: Uint8Array | string, expectations: Expectations = {}): string {
  try {
    checkModel(bytes, expectations);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(VerdictdError);
    expect((thrown as VerdictdError).code).toBe('BUNDLE_REFUSED');
    return (thrown as VerdictdError).message;
  }
  return 'accepted';
}

const external = (location: string): Message =>
  tensor().message(TensorField.externalData, new Message().text(1, 'location').text(2, location));
const withAttribute = (attribute: Message, op = 'Constant'): Message => node(op, [], 'y').message(NodeField.attribute, attribute);

test.each<[string, Parts, RegExp]>([
  ['external data beside it', { weight: external('weights.bin').int(TensorField.dataLocation, 1) }, /outside the file/],
  ['external data above it', { weight: external('../secret.bin') }, /outside the file/],
  ['external data at an absolute path', { weight: external('/etc/passwd') }, /outside the file/],
  ['external data by a path in disguise', { weight: external('a/../../b') }, /outside the file/],
  ['external data from a device', { weight: external('/dev/zero') }, /outside the file/],
  ['external data from memory', { weight: external('*/_ORT_MEM_ADDR_/*') }, /outside the file/],
  ['external data beside data inside', { weight: external('x').bytes(TensorField.rawData, raw(1)) }, /outside the file/],
  [
    'external location without an entry',
    { weight: tensor().int(TensorField.dataLocation, 1).bytes(TensorField.rawData, raw(1)) },
    /outside the file/,
  ],
  [
    'external data in a constant node',
    {
      node: withAttribute(
        new Message()
          .text(AttributeField.name, 'value')
          .message(AttributeField.t, external('x'))
          .int(AttributeField.type, AttributeType.tensor),
      ),
    },
    /outside the file/,
  ],
  ['a foreign operator', { node: node('Evil', ['x', 'w'], 'y').text(NodeField.domain, 'com.example') }, /domain "com.example"/],
  ['an engine', { node: node('EPContext', ['x'], 'y').text(NodeField.domain, 'com.microsoft') }, /EPContext/],
  ['an engine in the standard domain', { node: node('EPContext', ['x'], 'y') }, /EPContext/],
  ['chance', { node: node('RandomNormalLike', ['x'], 'y') }, /RandomNormalLike/],
  [
    'an import of a foreign domain',
    { model: (m) => m.message(ModelField.opsetImport, new Message().text(OpsetField.domain, 'com.microsoft').int(OpsetField.version, 1)) },
    /imports/,
  ],
  ['a function', { model: (m) => m.message(ModelField.functions, new Message().text(1, 'f')) }, /functions/],
  ['training information', { model: (m) => m.message(ModelField.trainingInfo, new Message()) }, /training/],
  ['a second graph', { model: (m) => m.message(ModelField.graph, new Message()) }, /two graphs/],
  [
    'a subgraph',
    {
      node: withAttribute(
        new Message()
          .text(AttributeField.name, 'then_branch')
          .message(AttributeField.g, new Message())
          .int(AttributeField.type, AttributeType.graph),
        'If',
      ),
    },
    /graph of its own/,
  ],
  ['a sparse weight', { graph: (g) => g.message(GraphField.sparseInitializer, new Message()) }, /sparse/],
  ['NaN among the weights', { weight: tensor().bytes(TensorField.rawData, raw(Number.NaN)) }, /NaN/],
  ['infinity among the weights', { weight: tensor().bytes(TensorField.rawData, raw(Number.NEGATIVE_INFINITY)) }, /NaN or infinity/],
  [
    'NaN in half precision',
    {
      weight: new Message()
        .int(TensorField.dims, 1)
        .int(TensorField.dataType, 10)
        .text(TensorField.name, 'w')
        .bytes(TensorField.rawData, Uint8Array.of(0, 0x7e)),
    },
    /NaN/,
  ],
  ['NaN in a list of floats', { weight: tensor().bytes(TensorField.floatData, raw(Number.NaN)) }, /NaN/],
  ['fewer bytes than the shape', { weight: tensor().bytes(TensorField.rawData, raw()) }, /0 bytes/],
  ['more bytes than the shape', { weight: tensor().bytes(TensorField.rawData, raw(1, 2)) }, /8 bytes/],
  ['no data', { weight: tensor() }, /no data/],
  [
    'a terabyte of shape',
    {
      weight: new Message()
        .ints(TensorField.dims, [1 << 20, 1 << 20])
        .int(TensorField.dataType, 1)
        .text(TensorField.name, 'w')
        .bytes(TensorField.rawData, raw(1)),
    },
    /elements/,
  ],
  [
    'a negative dimension',
    {
      weight: new Message()
        .int(TensorField.dims, -1)
        .int(TensorField.dataType, 1)
        .text(TensorField.name, 'w')
        .bytes(TensorField.rawData, raw(1)),
    },
    /absurd dimension/,
  ],
  [
    'text as weights',
    {
      weight: new Message()
        .int(TensorField.dims, 1)
        .int(TensorField.dataType, 8)
        .text(TensorField.name, 'w')
        .text(TensorField.stringData, 'a'),
    },
    /text/,
  ],
  ['an input of any size', { input: port('x', ['N']) }, /without a fixed size/],
  ['an output of nothing', { output: port('y', [0]) }, /dimension of 0/],
  ['an output nobody makes', { output: port('z', [1]) }, /nothing makes/],
  ['a node that reads what is not there', { node: node('Add', ['x', 'q'], 'y') }, /nothing made before/],
  ['a name given twice', { graph: (g) => g.message(GraphField.node, node('Add', ['x', 'w'], 'y')) }, /twice/],
])('refused: %s', (_, parts, message) => {
  expect(refusal(model(parts))).toMatch(message);
});

test('refused: other inputs and outputs than expected', () => {
  const x = { name: 'x', type: 'float32', shape: [1] } as const;
  expect(refusal(model(), { inputs: [{ ...x, name: 'image' }] })).toMatch(/inputs are x float32 \[1\]; expected image/);
  expect(refusal(model(), { inputs: [{ ...x, shape: [2] }] })).toMatch(/expected x float32 \[2\]/);
  expect(refusal(model(), { inputs: [{ ...x, type: 'uint8' }] })).toMatch(/uint8/);
  expect(refusal(model(), { inputs: [] })).toMatch(/expected none/);
  expect(refusal(sound(), { ...expected, outputs: expected.outputs?.slice(1) ?? [] })).toMatch(/outputs are/);
});

test('refused: no file, a folder, a link, nothing, noise', () => {
  const dir = mkdtempSync(join(tmpdir(), 'verdictd-check-'));
  try {
    writeFileSync(join(dir, 'real.onnx'), model());
    symlinkSync(join(dir, 'real.onnx'), join(dir, 'link.onnx'));
    expect(refusal(join(dir, 'none.onnx'))).toMatch(/ENOENT/);
    expect(refusal(dir)).not.toBe('accepted');
    expect(refusal(join(dir, 'link.onnx'))).toMatch(/ELOOP/);
    expect(refusal(Buffer.alloc(0))).toMatch(/empty/);
    expect(refusal(Buffer.alloc(5000, 255))).not.toBe('accepted');
    expect(refusal(Buffer.from('<html>not found</html>'))).not.toBe('accepted');
    expect(refusal(join(dir, 'real.onnx'))).toBe('accepted');
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('50 truncations: all refused', () => {
  const bytes = sound();
  for (let i = 0; i < 50; i++) expect(refusal(bytes.subarray(0, Math.floor((bytes.length * i) / 50)), expected)).not.toBe('accepted');
});

test('300 flipped bits: refused with a sentence or read to the end, never anything else', () => {
  const bytes = sound();
  let refused = 0;
  for (let i = 0; i < 300; i++) {
    const bad = Buffer.from(bytes);
    const bit = (i * 7919) % (bytes.length * 8);
    bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    if (refusal(bad, expected) !== 'accepted') refused++;
  }
  expect(refused).toBeGreaterThan(50); // most bytes are weights, where any value may be meant: there only the hash tells
});

test('a sound model is described', () => {
  const facts = checkModel(sound(), expected);
  expect(facts).toMatchObject({ opset: 17, operators: { Conv: 1, ReduceMax: 2 } });
  expect(facts.outputs.find(({ name }) => name === 'map')?.shape).toEqual([1, 8, 8]);
});
