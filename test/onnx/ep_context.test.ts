import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { checkModel, type Port } from '../../src/onnx/check';
import { type EpContext, epContextModel } from '../../src/onnx/ep_context';
import { bufferSource, fields, message, type Span, text } from '../../src/onnx/source';
import { AttributeField, GraphField, ModelField, NodeField, OpsetField } from '../../src/onnx/wire';
import { bordersOf } from '../../src/onnx/wrap';

const dir = mkdtempSync(join(tmpdir(), 'verdictd-ep-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const image: Port = { name: 'image', type: 'float32', shape: [1, 3, 518, 518] };
const outputs: Port[] = [
  { name: 'score', type: 'float32', shape: [1] },
  { name: 'map', type: 'float32', shape: [1, 518, 518] },
  { name: 'tokens 日本', type: 'float32', shape: [1, 256, 768] },
];
const engine = (changes: Partial<EpContext> = {}): EpContext => ({
  file: 'model.engine',
  inputs: [image],
  outputs,
  architecture: '87',
  ...changes,
});

const all = (bytes: Uint8Array): Span => ({ source: bufferSource(bytes), start: 0, end: bytes.length });
const some = (span: Span, number: number): Span[] => [...fields(span)].filter((field) => field.number === number).map(message);
const words = (span: Span, number: number): string[] => [...fields(span)].filter((field) => field.number === number).map(text);

describe('what is refused', () => {
  test.each(['../model.engine', '/tmp/model.engine', 'sub/model.engine', '..', '.hidden', '', 'a\0b', 'model engine'])(
    'a file called %p',
    (file) => {
      expect(() => epContextModel(engine({ file }))).toThrow('a plain name');
    },
  );

  test.each([[0], [-1], [1.5], [Number.NaN], [2 ** 53]])('a dimension of %p', (side) => {
    expect(() => epContextModel(engine({ inputs: [{ ...image, shape: [1, side] }] }))).toThrow('image: shape');
  });

  test('a bundle that carries one: by its domain, and without the import by its operator', () => {
    const bytes = epContextModel(engine());
    expect(() => checkModel(bytes)).toThrow('it imports the operator domain "com.microsoft"');
    const disguised = Buffer.from(bytes);
    for (let at = disguised.indexOf('com.microsoft'); at >= 0; at = disguised.indexOf('com.microsoft', at + 1)) {
      disguised.write('ai.onnx\0\0\0\0\0\0', at, 'latin1');
    }
    expect(() => checkModel(disguised)).toThrow('is refused');
  });

  test('onnxruntime without TensorRT: by name of the operator, so that the next rung is tried', async () => {
    const path = join(dir, 'model.onnx');
    writeFileSync(path, epContextModel(engine()));
    writeFileSync(join(dir, 'model.engine'), 'an engine');
    // 1.30 says "EPContext node ... is not compatible with any execution provider added to the session".
    await expect(InferenceSession.create(path, { executionProviders: ['cpu'] })).rejects.toThrow(
      /Could not find an implementation for EPContext|EPContext node .* is not compatible/,
    );
  });
});

test('one node, read back', () => {
  const bytes = epContextModel(engine());
  const [graph] = some(all(bytes), ModelField.graph);
  if (graph === undefined) throw new Error('no graph');
  const nodes = some(graph, GraphField.node);
  expect(nodes).toHaveLength(1);
  const [node] = nodes;
  if (node === undefined) throw new Error('no node');
  expect(words(node, NodeField.opType)).toEqual(['EPContext']);
  expect(words(node, NodeField.domain)).toEqual(['com.microsoft']);
  expect(words(node, NodeField.input)).toEqual(['image']);
  expect(words(node, NodeField.output)).toEqual(['score', 'map', 'tokens 日本']);
  const attributes = some(node, NodeField.attribute).map((span) => {
    const whole = [...fields(span)].find((field) => field.number === AttributeField.i);
    return [words(span, AttributeField.name)[0], whole?.value ?? words(span, AttributeField.s)[0]];
  });
  expect(Object.fromEntries(attributes)).toEqual({
    main_context: 1,
    embed_mode: 0,
    ep_cache_context: 'model.engine',
    source: 'TensorrtExecutionProvider',
    hardware_architecture: '87',
  });
  const imports = some(all(bytes), ModelField.opsetImport).map((span) => [
    words(span, OpsetField.domain)[0],
    [...fields(span)].find((field) => field.number === OpsetField.version)?.value,
  ]);
  expect(imports).toEqual([
    ['', 17],
    ['com.microsoft', 1],
  ]);
});

test('names and shapes at its border are those of the engine', () => {
  const path = join(dir, 'borders.onnx');
  writeFileSync(path, epContextModel(engine({ architecture: null })));
  const float = 1;
  expect(bordersOf(path)).toEqual({
    inputs: [{ name: 'image', type: float, shape: [1, 3, 518, 518] }],
    outputs: outputs.map(({ name, shape }) => ({ name, type: float, shape })),
  });
});

test('the same engine, the same bytes', () => {
  expect(epContextModel(engine()).equals(epContextModel(engine()))).toBe(true);
});
