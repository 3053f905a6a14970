/**
 * Everything a pickle of weights may mention, and what it means here. Sources: torch/_utils.py (_rebuild_tensor_v2,
 * _rebuild_parameter), torch/serialization.py (persistent_load), torch/csrc/jit/serialization/pickler.cpp.
 */
import type { DType } from './dtypes';
import { advice, quoted, refuse } from './refuse';
import { type Storage, StridedTensor } from './tensors';

/** torch's typed storages. Newer torch still writes these names: `UntypedStorage` appears only with formats not read here. */
const storageTypes: Readonly<Record<string, DType>> = {
  FloatStorage: 'float32',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  DoubleStorage: 'float64',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
};

/** A Python tuple; a list is an array, a dict a Map. */
export class Tuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

/** An instance of a TorchScript class: a name and attributes, no behaviour. */
export class Inert {
  attributes: ReadonlyMap<string | number, PickleValue> | null = null;
  constructor(readonly className: string) {}
}

/** A name a pickle may mention. */
export class Global {
  constructor(
    readonly name: string,
    readonly use: 'dict' | 'tensor' | 'parameter' | 'inert' | DType,
  ) {}
}

export type Dict = Map<string | number, PickleValue>;
export type PickleValue = null | boolean | number | string | Tuple | PickleValue[] | Dict | Inert | StridedTensor | Global | StorageRef;

/** A storage on its way from the persistent id to the tensor. */
export class StorageRef {
  constructor(readonly storage: Storage) {}
}

export interface PickleHost {
  readonly where: string; // file and entry, for messages
  readonly torchScript: boolean; // names under __torch__ are inert classes
  /** The storage of that key; checked against the archive by the host. */
  storage(key: string, dtype: DType, numel: number): Storage;
}

/** The meaning of a name; refused, by that name, where it has none here. */
export function globalOf(host: PickleHost, module: string, name: string): Global {
  const full = `${module}.${name}`;
  if (full === 'collections.OrderedDict') return new Global(full, 'dict');
  if (full === 'torch._utils._rebuild_tensor_v2') return new Global(full, 'tensor');
  if (full === 'torch._utils._rebuild_parameter') return new Global(full, 'parameter');
  const dtype = module === 'torch' && Object.hasOwn(storageTypes, name) ? storageTypes[name] : undefined;
  if (dtype) return new Global(full, dtype);
  if (host.torchScript && /^__torch__(\.[A-Za-z_]\w*)*$/.test(module) && /^[A-Za-z_]\w*$/.test(name)) return new Global(full, 'inert');
  return refuse(host.where, `mentions ${quoted(full)}, which is no part of weights and is never executed here`, advice.weightsOnly);
}

/** ('storage', class, key, location, number of elements); the location ('cpu', 'cuda:0') has no meaning here. */
export function storageOf(host: PickleHost, id: PickleValue): StorageRef {
  const [kind, type, key, location, numel] = id instanceof Tuple && id.items.length === 5 ? id.items : [];
  const dtype = type instanceof Global && Object.values(storageTypes).find((known) => known === type.use);
  if (kind !== 'storage' || !dtype || typeof key !== 'string' || typeof location !== 'string' || typeof numel !== 'number') {
    return refuse(host.where, 'refers to something outside that is no storage of a tensor');
  }
  return new StorageRef(host.storage(key, dtype, numel));
}

/** NEWOBJ: only classes of TorchScript, and only without arguments. */
export function objectOf(host: PickleHost, type: PickleValue, args: PickleValue): Inert {
  if (!(type instanceof Global && type.use === 'inert' && args instanceof Tuple && args.items.length === 0)) {
    refuse(
      host.where,
      `makes an object of ${type instanceof Global ? quoted(type.name) : 'something that is no class'}`,
      advice.weightsOnly,
    );
  }
  return new Inert(type.name);
}

/** REDUCE: an empty OrderedDict, a tensor, or the tensor inside a Parameter. */
export function callOf(host: PickleHost, callable: PickleValue, args: PickleValue): PickleValue {
  if (!(callable instanceof Global) || !(args instanceof Tuple)) return refuse(host.where, 'calls something that has no name');
  if (callable.use === 'dict' && args.items.length === 0) return new Map();
  if (callable.use === 'tensor') return rebuild(host, args.items);
  const [data] = args.items;
  if (callable.use === 'parameter' && args.items.length === 3 && data instanceof StridedTensor) return data;
  return refuse(host.where, `calls ${quoted(callable.name)} with ${args.items.length} arguments that do not fit it`);
}

/** (storage, offset, size, stride, requires_grad, hooks[, metadata]) of torch._utils._rebuild_tensor_v2. */
function rebuild(host: PickleHost, args: readonly PickleValue[]): StridedTensor {
  const [ref, offset, size, stride, , hooks, metadata] = args;
  const numbers = (value: PickleValue | undefined): value is Tuple =>
    value instanceof Tuple && value.items.every((n) => typeof n === 'number');
  const empty = (value: PickleValue | undefined) => value === undefined || value === null || (value instanceof Map && value.size === 0);
  const fits = args.length === 6 || args.length === 7;
  if (!fits || !(ref instanceof StorageRef) || typeof offset !== 'number' || !numbers(size) || !numbers(stride)) {
    return refuse(host.where, 'rebuilds a tensor from something that is no storage, offset, size and stride');
  }
  if (!empty(hooks) || !empty(metadata))
    return refuse(host.where, 'has a tensor with hooks, or a conjugated or negated one', advice.weightsOnly);
  const { storage } = ref;
  return new StridedTensor(`of storage ${storage.name}`, storage, offset, size.items as number[], stride.items as number[]);
}

/** The state of a TorchScript object; on an OrderedDict it is torch's `_metadata`, versions of modules, which is dropped. */
export function giveState(host: PickleHost, target: PickleValue, state: PickleValue): void {
  if (!(state instanceof Map)) refuse(host.where, 'gives an object a state that is no dict');
  if (target instanceof Inert && target.attributes === null) {
    target.attributes = state;
    return;
  }
  if (!(target instanceof Map) || [...state.keys()].some((key) => key !== '_metadata')) {
    refuse(host.where, 'gives a state to something that has none', advice.weightsOnly);
  }
}
