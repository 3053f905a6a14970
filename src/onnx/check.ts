/**
 * The safety walk over an ONNX file, before onnxruntime sees it. Versions of onnxruntime in use on rigs follow external data to
 * any file on the disk and load most models with a flipped bit, so nothing here relies on its own checks. What is refused: data
 * outside the file in any form, operators outside the standard domain (engines, custom code), functions, subgraphs, training
 * information, inputs and outputs other than expected, NaN and infinity in weights, absurd sizes, anything cut off.
 */
import { reason, VerdictdError } from '../errors';
import { checkShape, checkTensor, type TensorFacts, typeName } from './payload';
import { bufferSource, type Field, FileSource, fields, integers, Malformed, message, type Source, type Span, text } from './source';
import {
  AttributeField,
  type DataType,
  DimField,
  GraphField,
  ModelField,
  NodeField,
  OpsetField,
  ShapeField,
  TensorTypeField,
  TypeField,
  ValueInfoField,
} from './wire';

/** A tensor at the model's border. A dimension of -1 in an expectation stands for any size from 1 to 8192. */
export interface Port {
  name: string;
  type: DataType;
  shape: readonly number[];
}

export interface Expectations {
  /** Exactly these, in any order. Absent: any. */
  inputs?: readonly Port[];
  outputs?: readonly Port[];
}

export interface ModelFacts {
  inputs: Port[];
  outputs: Port[];
  opset: number;
  operators: Record<string, number>; // how often each occurs
  weights: number; // elements in initializers
  bytes: number;
}

const most = { nodes: 50_000, tensors: 100_000, ports: 64, bytes: 6 * 2 ** 30, side: 8192 };
const standard = (domain: string): boolean => domain === '' || domain === 'ai.onnx';
/** A verdict must be the same for the same picture. */
const random = /^(Random|Bernoulli|Multinomial)/;

/**
 * Walks a model. `model`: path or bytes; `name` stands in messages for bytes.
 * Throws VerdictdError BUNDLE_REFUSED, and nothing else, with a sentence on what is wrong.
 */
export function checkModel(model: string | Uint8Array, expected: Expectations = {}, name = 'the model'): ModelFacts {
  const where = typeof model === 'string' ? model : name;
  let file: FileSource | null = null;
  try {
    file = typeof model === 'string' ? new FileSource(model) : null;
    return walk(file ?? bufferSource(model as Uint8Array), expected);
  } catch (thrown) {
    const text = `${where} is refused: ${reason(thrown)}. Expected a self-contained ONNX model of standard operators; build or copy it again.`;
    throw new VerdictdError('BUNDLE_REFUSED', text, { cause: thrown });
  } finally {
    file?.close();
  }
}

function walk(source: Source, expected: Expectations): ModelFacts {
  if (source.size === 0) throw new Malformed('it is empty');
  if (source.size > most.bytes) throw new Malformed(`it is ${source.size} bytes long`);
  let graph: Span | null = null;
  let opset = 0;
  let ir = 0;
  for (const field of fields({ source, start: 0, end: source.size })) {
    if (field.number === ModelField.irVersion) ir = field.value;
    else if (field.number === ModelField.graph) {
      if (graph !== null) throw new Malformed('it has two graphs');
      graph = message(field);
    } else if (field.number === ModelField.opsetImport) opset = Math.max(opset, readOpset(message(field)));
    else if (field.number === ModelField.functions) throw new Malformed('it defines functions of its own');
    else if (field.number === ModelField.trainingInfo) throw new Malformed('it carries training information');
  }
  if (ir < 3 || ir > 13) throw new Malformed(`its IR version is ${ir}`);
  if (opset < 7 || opset > 25) throw new Malformed(`its operator set is ${opset}`);
  if (graph === null) throw new Malformed('it has no graph');
  const facts: ModelFacts = { inputs: [], outputs: [], opset, operators: {}, weights: 0, bytes: source.size };
  walkGraph(graph, facts);
  checkPorts('input', facts.inputs, expected.inputs);
  checkPorts('output', facts.outputs, expected.outputs);
  return facts;
}

function readOpset(span: Span): number {
  let domain = '';
  let version = 0;
  for (const field of fields(span)) {
    if (field.number === OpsetField.domain) domain = text(field);
    else if (field.number === OpsetField.version) version = field.value;
  }
  if (!standard(domain)) throw new Malformed(`it imports the operator domain "${domain}"`);
  return version;
}

/** Nodes, weights and borders; every name is made once, and used only after it was made. */
function walkGraph(graph: Span, facts: ModelFacts): void {
  const made = new Set<string>();
  const nodes: Span[] = [];
  const make = (name: string): void => {
    if (made.has(name)) throw new Malformed(`the name ${name} is given twice`);
    made.add(name);
  };
  let tensors = 0;
  for (const field of fields(graph)) {
    if (field.number === GraphField.node) nodes.push(message(field));
    else if (field.number === GraphField.initializer) {
      const tensor = checkTensor(message(field), 'weight');
      facts.weights += checkShape(tensor.shape, tensor.name);
      make(tensor.name);
      if (++tensors > most.tensors) throw new Malformed('it has an absurd number of weights');
    } else if (field.number === GraphField.input) facts.inputs.push(readPort(message(field), 'input'));
    else if (field.number === GraphField.output) facts.outputs.push(readPort(message(field), 'output'));
    else if (field.number === GraphField.sparseInitializer) throw new Malformed('it has sparse weights');
    else if (field.number === GraphField.quantization) throw new Malformed('it has quantization annotations');
    if (nodes.length > most.nodes || facts.inputs.length + facts.outputs.length > most.ports)
      throw new Malformed('it has an absurd number of nodes or ports');
  }
  for (const { name } of facts.inputs) make(name);
  for (const node of nodes) walkNode(node, made, make, facts);
  for (const { name } of facts.outputs) if (!made.has(name)) throw new Malformed(`nothing makes its output ${name}`);
}

function walkNode(span: Span, made: ReadonlySet<string>, make: (name: string) => void, facts: ModelFacts): void {
  let op = '';
  let domain = '';
  const outputs: string[] = [];
  const attributes: Span[] = [];
  for (const field of fields(span)) {
    if (field.number === NodeField.opType) op = text(field);
    else if (field.number === NodeField.domain) domain = text(field);
    else if (field.number === NodeField.attribute) attributes.push(message(field));
    else if (field.number === NodeField.output) outputs.push(text(field));
    else if (field.number === NodeField.input) {
      const name = text(field);
      if (name !== '' && !made.has(name)) throw new Malformed(`a node reads ${name}, which nothing made before it`);
    }
  }
  if (!standard(domain)) throw new Malformed(`it uses the operator ${op} of the domain "${domain}"`);
  if (op === '' || random.test(op) || op === 'EPContext') throw new Malformed(`it uses the operator "${op}"`);
  for (const attribute of attributes) checkAttribute(attribute, op);
  for (const name of outputs) if (name !== '') make(name);
  facts.operators[op] = (facts.operators[op] ?? 0) + 1;
}

function checkAttribute(span: Span, op: string): void {
  for (const field of fields(span)) {
    const { number } = field;
    if (number === AttributeField.g || number === AttributeField.graphs)
      throw new Malformed(`its operator ${op} carries a graph of its own`);
    if (number === AttributeField.sparse || number === AttributeField.sparses)
      throw new Malformed(`its operator ${op} carries a sparse tensor`);
    if (number === AttributeField.refName) throw new Malformed(`its operator ${op} refers to a function's attribute`);
    if (number === AttributeField.t || number === AttributeField.tensors) checkTensor(message(field), `constant of ${op}`);
  }
}

function readPort(span: Span, kind: string): Port {
  let name = '';
  let type: Span | null = null;
  for (const field of fields(span)) {
    if (field.number === ValueInfoField.name) name = text(field);
    else if (field.number === ValueInfoField.type) type = message(field);
  }
  if (name === '' || type === null) throw new Malformed(`an ${kind} has no name or no type`);
  return { name, ...readTensorType(type, `its ${kind} ${name}`) };
}

function readTensorType(span: Span, label: string): Omit<TensorFacts, 'name'> {
  let code = 0;
  let shape: number[] | null = null;
  for (const field of fields(span)) {
    if (field.number !== TypeField.tensor) continue;
    for (const part of fields(message(field))) {
      if (part.number === TensorTypeField.elementType) code = part.value;
      else if (part.number === TensorTypeField.shape)
        shape = [...fields(message(part))].filter((dim) => dim.number === ShapeField.dim).map((dim) => readDim(dim, label));
    }
  }
  if (code === 0 || shape === null) throw new Malformed(`${label} is not a tensor of known shape`);
  checkShape(shape, label);
  return { type: typeName(code, label), shape };
}

function readDim(dim: Field, label: string): number {
  const value = [...fields(message(dim))].find((field) => field.number === DimField.value);
  if (value === undefined) throw new Malformed(`${label} has a dimension without a fixed size`);
  const [size = 0] = integers(value);
  if (size < 1) throw new Malformed(`${label} has a dimension of ${size}`);
  return size;
}

function checkPorts(kind: string, found: readonly Port[], expected: readonly Port[] | undefined): void {
  if (expected === undefined) return;
  const fits = expected.every((want) => found.some((port) => port.name === want.name && samePort(port, want)));
  if (fits && found.length === expected.length) return;
  const list = (ports: readonly Port[]): string => ports.map(describe).join(', ') || 'none';
  throw new Malformed(`its ${kind}s are ${list(found)}; expected ${list(expected)}`);
}

function samePort(port: Port, want: Port): boolean {
  if (port.type !== want.type || port.shape.length !== want.shape.length) return false;
  return want.shape.every((n, i) => (n === -1 ? (port.shape[i] ?? 0) <= most.side : port.shape[i] === n));
}

function describe({ name, type, shape }: Port): string {
  return `${name} ${type} [${shape.map((n) => (n === -1 ? '*' : n)).join()}]`;
}
