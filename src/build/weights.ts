/** Weights of a checkpoint as constants of a graph: read, transposed and converted one at a time while the model is written. */
import { transposed } from '../onnx/blocks';
import type { Graph, Value } from '../onnx/graph';
import { toHalf } from '../onnx/half';
import type { Affine, Arithmetic, Block, Norm } from '../onnx/transformer';
import { type Tensors, tensorNamed } from './checkpoint';
import type { Activation } from './clip_names';
import { quoted, refuse } from './refuse';
import type { LazyTensor } from './tensors';

export class Weights {
  private readonly made = new Map<string, Value>();

  /** `where`: the file, for messages. `arithmetic`: of matrices and their biases; norms and tables stay float32. */
  constructor(
    readonly graph: Graph,
    private readonly tensors: Tensors,
    private readonly where: string,
    readonly arithmetic: Arithmetic,
    private readonly prefix = '',
  ) {}

  tensor(name: string, shape?: readonly number[]): LazyTensor {
    const tensor = tensorNamed(this.tensors, name, this.where);
    if (shape !== undefined && tensor.shape.join() !== shape.join())
      refuse(
        this.where,
        `tensor ${quoted(name)} has shape [${tensor.shape.join()}], expected [${shape.join()}]`,
        'Give the files that belong together.',
      );
    return tensor;
  }

  /** As it lies in the file, float32. */
  plain(name: string): Value {
    const tensor = this.tensor(name);
    return this.once(name, () => this.graph.deferred(this.prefix + name, 'float32', tensor.shape, () => tensor.chunks()));
  }

  norm(name: string): Norm {
    return { scale: this.plain(`${name}.weight`), bias: this.plain(`${name}.bias`) };
  }

  /** A torch Linear [out, in] as [in, out] in the graph's arithmetic. */
  affine(name: string): Affine {
    return { weight: this.matrix(`${name}.weight`), bias: this.vector(`${name}.bias`) };
  }

  /** Rows `start` to `start + count` of a torch matrix [out, in], transposed: [in, count]. */
  matrix(name: string, start = 0, count?: number): Value {
    const whole = this.tensor(name);
    const rows = count ?? whole.shape[0] ?? 0;
    const columns = whole.shape[1] ?? 0;
    const tensor = whole.narrow(start, rows);
    return this.stored(rows === whole.shape[0] ? name : `${name}.${start}`, [columns, rows], () =>
      transposed(tensor.read(), rows, columns),
    );
  }

  vector(name: string, start = 0, count?: number): Value {
    const whole = this.tensor(name);
    const length = count ?? whole.shape[0] ?? 0;
    const tensor = whole.narrow(start, length);
    return this.stored(length === whole.shape[0] ? name : `${name}.${start}`, [length], () => tensor.read());
  }

  /** A matrix kept as the file has it ([in, out]: conv1, proj). */
  direct(name: string): Value {
    const tensor = this.tensor(name);
    return this.stored(name, tensor.shape, () => tensor.read());
  }

  block(name: string, heads: number, activation: Activation): Block {
    const width = this.tensor(`${name}.attn.in_proj_bias`).shape[0] ?? 0;
    const third = width / 3;
    const inProjection = (start: number, count: number): Affine => ({
      weight: this.matrix(`${name}.attn.in_proj_weight`, start, count),
      bias: this.vector(`${name}.attn.in_proj_bias`, start, count),
    });
    return {
      heads,
      activation,
      norm1: this.norm(`${name}.ln_1`),
      query: inProjection(0, third),
      keyValue: inProjection(third, 2 * third),
      out: this.affine(`${name}.attn.out_proj`),
      norm2: this.norm(`${name}.ln_2`),
      expand: this.affine(`${name}.mlp.c_fc`),
      contract: this.affine(`${name}.mlp.c_proj`),
    };
  }

  private stored(name: string, shape: readonly number[], read: () => Float32Array): Value {
    const { arithmetic } = this;
    return this.once(name, () =>
      this.graph.deferred(this.prefix + name, arithmetic, shape, function* () {
        const values = read();
        yield arithmetic === 'float16' ? toHalf(values) : values;
      }),
    );
  }

  private once(name: string, make: () => Value): Value {
    const known = this.made.get(name) ?? make();
    this.made.set(name, known);
    return known;
  }
}
