/** Weights of a checkpoint as constants of a graph: read, transposed and converted one at a time while the model is written. */
import { transposed } from '../onnx/blocks';
import type { Graph, Value } from '../onnx/graph';
import { toHalf } from '../onnx/half';
import type { Affine, Arithmetic, Block, Norm } from '../onnx/transformer';
import { type Tensors, tensorNamed } from './checkpoint';
import type { Activation } from './clip_names';
import { columnSteps, quantised } from './quantise';
import { quoted, refuse } from './refuse';
import type { LazyTensor } from './tensors';

/** Of the blocks' matrix products; int8 is for the CPU alone. */
export const precisions = ['fp32', 'fp16', 'int8'] as const;
export type Precision = (typeof precisions)[number];

export class Weights {
  private readonly made = new Map<string, Value>();
  /** Of everything that is not int8. */
  readonly arithmetic: Arithmetic;

  /** `where`: the file, for messages. `precision`: of matrices and their biases, int8 of blocks' matrices; norms and tables stay float32. */
  constructor(
    readonly graph: Graph,
    private readonly tensors: Tensors,
    private readonly where: string,
    private readonly precision: Precision,
    private readonly prefix = '',
  ) {
    this.arithmetic = precision === 'fp16' ? 'float16' : 'float32';
  }

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
      ...this.blockMatrix(`${name}.attn.in_proj_weight`, start, count),
      bias: this.vector(`${name}.attn.in_proj_bias`, start, count),
    });
    const whole = (part: string): Affine => ({ ...this.blockMatrix(`${part}.weight`), bias: this.vector(`${part}.bias`) });
    return {
      heads,
      activation,
      norm1: this.norm(`${name}.ln_1`),
      query: inProjection(0, third),
      keyValue: inProjection(third, 2 * third),
      out: whole(`${name}.attn.out_proj`),
      norm2: this.norm(`${name}.ln_2`),
      expand: whole(`${name}.mlp.c_fc`),
      contract: whole(`${name}.mlp.c_proj`),
    };
  }

  /** As `matrix`, and with int8 as whole numbers and the step of each column. */
  private blockMatrix(name: string, start = 0, count?: number): Pick<Affine, 'weight' | 'scale'> {
    if (this.precision !== 'int8') return { weight: this.matrix(name, start, count) };
    const whole = this.tensor(name);
    const rows = count ?? whole.shape[0] ?? 0;
    const columns = whole.shape[1] ?? 0;
    const tensor = whole.narrow(start, rows);
    const called = `${this.prefix}${name}.${start}`;
    const weight = this.once(`${called}.int8`, (key) =>
      this.graph.deferred(key, 'int8', [columns, rows], function* () {
        const values = tensor.read();
        yield quantised(values, rows, columns, columnSteps(values, rows, columns));
      }),
    );
    const scale = this.once(`${called}.step`, (key) =>
      this.graph.deferred(key, 'float32', [rows], function* () {
        yield columnSteps(tensor.read(), rows, columns);
      }),
    );
    return { weight, scale };
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

  private once(name: string, make: (name: string) => Value): Value {
    const known = this.made.get(name) ?? make(name);
    this.made.set(name, known);
    return known;
  }
}
