/**
 * The wrapper around a TensorRT engine: an ONNX model of one EPContext node that names the engine's file beside it. onnxruntime's
 * TensorRT provider loads the engine from there (by path, never from memory) and builds nothing. Only verdictd's own cache holds
 * such a model: in a bundle, checkModel refuses it, since an engine is a program.
 */
import type { Port } from './check';
import { GraphError, irVersion, opset, valueInfo } from './graph';
import { AttributeField, AttributeType, GraphField, Message, ModelField, NodeField, OpsetField } from './wire';

export const epContextDomain = 'com.microsoft';

export interface EpContext {
  /** Name of the engine's file, in the wrapper's own folder. */
  file: string;
  /** The engine's tensors: those of the model it was built from, static shapes. */
  inputs: readonly Port[];
  outputs: readonly Port[];
  /** Compute capability without its point ("87"), where it is known; onnxruntime warns where it differs. */
  architecture: string | null;
}

/** The model's bytes: the same for the same engine. Throws GraphError on a name with a folder in it, and on shapes that are not static. */
export function epContextModel({ file, inputs, outputs, architecture }: EpContext): Buffer {
  // onnxruntime refuses absolute paths and "..", and a plain name is all that is needed.
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(file)) throw new GraphError(`an engine's file is a plain name, not ${file}`);
  const node = new Message();
  for (const { name } of inputs) node.text(NodeField.input, name);
  for (const { name } of outputs) node.text(NodeField.output, name);
  node.text(NodeField.name, 'engine').text(NodeField.opType, 'EPContext');
  const attribute = (message: Message) => node.message(NodeField.attribute, message);
  attribute(whole('main_context', 1));
  attribute(whole('embed_mode', 0));
  attribute(words('ep_cache_context', file));
  attribute(words('source', 'TensorrtExecutionProvider'));
  if (architecture !== null) attribute(words('hardware_architecture', architecture));
  node.text(NodeField.domain, epContextDomain);

  const graph = new Message().message(GraphField.node, node).text(GraphField.name, 'tensorrt engine');
  for (const port of inputs) graph.message(GraphField.input, border(port));
  for (const port of outputs) graph.message(GraphField.output, border(port));
  const imports = (domain: string, version: number) => new Message().text(OpsetField.domain, domain).int(OpsetField.version, version);
  return new Message()
    .int(ModelField.irVersion, irVersion)
    .text(ModelField.producerName, 'verdictd')
    .message(ModelField.graph, graph)
    .message(ModelField.opsetImport, imports('', opset))
    .message(ModelField.opsetImport, imports(epContextDomain, 1))
    .toBuffer();
}

function whole(name: string, value: number): Message {
  return new Message().text(AttributeField.name, name).int(AttributeField.i, value).int(AttributeField.type, AttributeType.int);
}

function words(name: string, value: string): Message {
  return new Message().text(AttributeField.name, name).text(AttributeField.s, value).int(AttributeField.type, AttributeType.string);
}

function border(port: Port): Message {
  for (const side of port.shape)
    if (!Number.isSafeInteger(side) || side < 1) throw new GraphError(`${port.name}: shape [${port.shape.join()}] of an engine's tensor`);
  return valueInfo(port);
}
