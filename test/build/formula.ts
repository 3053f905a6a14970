/** CLIP files and AnomalyCLIP checkpoints of any measures from formula weights, and AnomalyCLIP's mathematics once more in plain loops. */
import { type ClipConfig, expectedShapes } from '../../src/build/clip_config';
import { safetensors, safetensorsOf } from './archives';
import { counterHash, formulaOf } from './vectors';

export type Numbers = Map<string, { shape: readonly number[]; values: Float32Array }>;

const filled = (name: string, shape: readonly number[], offset: number, scale: number) => {
  const hash = counterHash(name);
  const values = new Float32Array(shape.reduce((n, side) => n * side, 1));
  for (let i = 0; i < values.length; i++) values[i] = offset + scale * hash(i);
  return { shape, values };
};

export function formulaClip(config: ClipConfig): Numbers {
  const tensors: Numbers = new Map();
  for (const [name, shape] of expectedShapes(config)) {
    const { offset, scale } = formulaOf(name, shape);
    tensors.set(name, filled(name, shape, offset, scale));
  }
  return tensors;
}

export const clipFile = (tensors: Numbers): Buffer => safetensorsOf(tensors);

export interface Adapter {
  normal: number[]; // ids: start, one for each context token, words, end (the largest)
  anomalous: number[];
  context: number;
  depth: number;
  deep: number;
}

/** A prompt learner beside that CLIP, as safetensors. */
export function adapterFile(clip: Numbers, width: number, total: number, adapter: Adapter): Buffer {
  const header: Record<string, object> = {};
  const parts: Buffer[] = [];
  let at = 0;
  const put = (name: string, dtype: string, shape: readonly number[], values: Float32Array | Int32Array) => {
    header[`prompt_learner.${name}`] = { dtype, shape, data_offsets: [at, at + values.byteLength] };
    parts.push(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
    at += values.byteLength;
  };
  const table = clip.get('token_embedding.weight')?.values ?? new Float32Array();
  for (const [which, ids] of [
    ['pos', adapter.normal],
    ['neg', adapter.anomalous],
  ] as const) {
    const all = [...ids, ...new Array<number>(total - ids.length).fill(0)];
    const rows = Float32Array.from(all.flatMap((id) => [...table.slice(id * width, (id + 1) * width)]));
    const { context } = adapter;
    put(`ctx_${which}`, 'F32', [1, 1, context, width], filled(`prompt_learner.ctx_${which}`, [context * width], 0, 0.5).values);
    put(`token_prefix_${which}`, 'F32', [1, 1, 1, width], rows.slice(0, width));
    put(`token_suffix_${which}`, 'F32', [1, 1, total - 1 - context, width], rows.slice((1 + context) * width));
    put(`tokenized_prompts_${which}`, 'I32', [1, 1, total], Int32Array.from(all));
  }
  for (let i = 0; i < adapter.depth - 1; i++) {
    const name = `compound_prompts_text.${i}`;
    put(name, 'F32', [adapter.deep, width], filled(`prompt_learner.${name}`, [adapter.deep * width], 0, 0.5).values);
  }
  return safetensors(header, Buffer.concat(parts));
}

type Rows = Float64Array[];
const { sqrt, exp, max } = Math; // a global is slow to reach inside jest

/** One model in plain loops on rows of double precision: what the blocks of a graph must agree with. */
export class Plain {
  constructor(
    private readonly tensors: Numbers,
    private readonly config: ClipConfig,
  ) {}

  private get(name: string): Float32Array {
    const found = this.tensors.get(name);
    if (found === undefined) throw new Error(`no ${name}`);
    return found.values;
  }

  private norm(x: Rows, name: string): Rows {
    const [scale, bias] = [this.get(`${name}.weight`), this.get(`${name}.bias`)];
    return x.map((row) => {
      const mean = row.reduce((s, v) => s + v, 0) / row.length;
      const variance = row.reduce((s, v) => s + (v - mean) ** 2, 0) / row.length;
      return row.map((v, i) => ((v - mean) / sqrt(variance + 1e-5)) * (scale[i] ?? 0) + (bias[i] ?? 0));
    });
  }

  /** Rows times a torch matrix [out,in], rows `from` to `to` of it. */
  private linear(x: Rows, name: string, bias: string, from = 0, to?: number): Rows {
    const [w, b] = [this.get(name), this.get(bias)];
    const width = x[0]?.length ?? 0;
    const end = to ?? w.length / width;
    return x.map((row) =>
      Float64Array.from({ length: end - from }, (_, o) => {
        let sum = b[from + o] ?? 0;
        for (let i = 0; i < width; i++) sum += (row[i] ?? 0) * (w[(from + o) * width + i] ?? 0);
        return sum;
      }),
    );
  }

  private attend(q: Rows, k: Rows, v: Rows, heads: number): Rows {
    const width = q[0]?.length ?? 0;
    const d = width / heads;
    const out = q.map(() => new Float64Array(width));
    for (let h = 0; h < heads; h++)
      for (const [i, query] of q.entries()) {
        const scores = k.map((key) => {
          let sum = 0;
          for (let c = h * d; c < (h + 1) * d; c++) sum += (query[c] ?? 0) * (key[c] ?? 0);
          return sum / sqrt(d);
        });
        const most = scores.reduce((a, b) => max(a, b));
        const weights = scores.map((s) => exp(s - most));
        const total = weights.reduce((a, b) => a + b);
        for (const [j, value] of v.entries())
          for (let c = h * d; c < (h + 1) * d; c++)
            (out[i] ?? value)[c] = (out[i]?.[c] ?? 0) + ((weights[j] ?? 0) / total) * (value[c] ?? 0);
      }
    return out;
  }

  private readonly sum = (a: Rows, b: Rows): Rows => a.map((row, i) => row.map((v, j) => v + (b[i]?.[j] ?? 0)));

  private block(x: Rows, name: string, heads: number): { x: Rows; vv: Rows } {
    const width = x[0]?.length ?? 0;
    const h = this.norm(x, `${name}.ln_1`);
    const [q = [], k = [], v = []] = [0, 1, 2].map((n) =>
      this.linear(h, `${name}.attn.in_proj_weight`, `${name}.attn.in_proj_bias`, n * width, (n + 1) * width),
    );
    const out = (rows: Rows) => this.linear(rows, `${name}.attn.out_proj.weight`, `${name}.attn.out_proj.bias`);
    const after = this.sum(x, out(this.attend(q, k, v, heads)));
    const wide = this.linear(this.norm(after, `${name}.ln_2`), `${name}.mlp.c_fc.weight`, `${name}.mlp.c_fc.bias`);
    const active = wide.map((row) => row.map((u) => u / (1 + exp(-1.702 * u))));
    return {
      x: this.sum(after, this.linear(active, `${name}.mlp.c_proj.weight`, `${name}.mlp.c_proj.bias`)),
      vv: out(this.attend(v, v, v, heads)),
    };
  }

  /** AnomalyCLIP on a picture [3,S,S] at the size it was trained at: class feature without and with ln_post, patch features of the last V-V tokens. */
  see(image: Float32Array, dualFrom: number): { feature: Float64Array; post: Float64Array; patches: Rows } {
    const { width, layers, heads, patch, grid } = this.config.visual;
    const size = patch * grid;
    const conv = this.get('visual.conv1.weight');
    const positions = this.get('visual.positional_embedding');
    const first = this.get('visual.class_embedding');
    const place = (row: Float64Array, at: number) => row.map((v, c) => v + (positions[at * width + c] ?? 0));
    let x: Rows = [place(Float64Array.from(first), 0)];
    for (let n = 0; n < grid * grid; n++) {
      const row = Float64Array.from({ length: width }, (_, o) => {
        let sum = 0;
        for (let k = 0; k < 3 * patch * patch; k++) {
          const [c, dy, dx] = [Math.floor(k / patch ** 2), Math.floor(k / patch) % patch, k % patch];
          const [y, at] = [Math.floor(n / grid) * patch + dy, (n % grid) * patch + dx];
          sum += (conv[o * 3 * patch * patch + k] ?? 0) * (image[(c * size + y) * size + at] ?? 0);
        }
        return sum;
      });
      x.push(place(row, n + 1));
    }
    x = this.norm(x, 'visual.ln_pre');
    let dual: Rows | null = null;
    for (let i = 1; i <= layers; i++) {
      const out = this.block(x, `visual.transformer.resblocks.${i - 1}`, heads);
      if (i >= dualFrom) dual = this.sum(dual ?? x, out.vv);
      x = out.x;
    }
    const projection = this.get('visual.proj');
    const { embed } = this.config;
    const project = (row: Float64Array) =>
      Float64Array.from({ length: embed }, (_, e) => row.reduce((s, v, c) => s + v * (projection[c * embed + e] ?? 0), 0));
    const [classToken = new Float64Array()] = x;
    const [post = new Float64Array()] = this.norm([classToken], 'visual.ln_post').map(project);
    return { feature: project(classToken), post, patches: this.norm((dual ?? x).slice(1), 'visual.ln_post').map(project) };
  }
}
