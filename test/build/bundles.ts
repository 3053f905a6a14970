/** Bundles built at test time, and what their graphs give. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { type BuildDeps, type BuildJob, type Built, buildBundle } from '../../src/build/bundle';
import { openCheckpoint } from '../../src/build/checkpoint';
import type { MethodOptions } from '../../src/build/method';
import { loadBundle } from '../../src/bundle/load';
import { readPicture } from '../../src/camera/picture';
import { unpacked } from './vectors';

export class Workshop {
  readonly dir = mkdtempSync(join(tmpdir(), 'verdictd-build-'));
  private count = 0;
  private readonly files = new Map<string, string>();

  /** An unpacked copy of a vector file. */
  unpack(name: string, as: string): string {
    const known = this.files.get(name) ?? join(this.dir, as);
    if (!this.files.has(name)) writeFileSync(known, unpacked(name));
    this.files.set(name, known);
    return known;
  }

  async build(
    job: Partial<Omit<BuildJob, 'options'>> & Pick<BuildJob, 'method' | 'clip'>,
    options: Partial<MethodOptions> = {},
  ): Promise<Made> {
    const built = await buildBundle(
      {
        adapter: null,
        tokenizer: null,
        precision: 'fp32',
        activation: null,
        golden: null,
        out: join(this.dir, `bundle-${this.count++}`),
        signal: new AbortController().signal,
        ...job,
        options: {
          imageSize: null,
          dpamLayer: null,
          featuresList: null,
          object: null,
          texture: false,
          featureSurgery: false,
          mapScale: 1,
          ...options,
        },
      },
      deps,
    );
    const { manifest, modelPath } = await loadBundle(built.out);
    return { built, manifest, session: await InferenceSession.create(modelPath, { executionProviders: ['cpu'], intraOpNumThreads: 2 }) };
  }

  close(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export interface Made {
  built: Built;
  manifest: Awaited<ReturnType<typeof loadBundle>>['manifest'];
  session: InferenceSession;
}

const deps: BuildDeps = {
  tensor: async (path, input) => (await readPicture(path, input)).tensor,
  prove: () => Promise.resolve(), // the golden image in the worker: cli.test.ts
  stage: () => undefined,
};

/** All outputs of the bundle for a picture file. */
export async function outputs({ session, manifest }: Made, picture: string): Promise<Record<string, Float32Array>> {
  const { tensor } = await readPicture(picture, manifest.input);
  const { width, height } = manifest.input;
  const found = await session.run({ image: new Tensor('float32', tensor, [1, 3, height, width]) });
  return Object.fromEntries(Object.entries(found).map(([name, value]) => [name, value.data as Float32Array]));
}

/** Tensors of a safetensors file by name. */
export function expectations(path: string): (name: string) => Float32Array {
  const file = openCheckpoint(path);
  return (name) => {
    const tensor = file.tensors.get(name);
    if (tensor === undefined) throw new Error(`no ${name} in ${path}`);
    return tensor.read();
  };
}

/** Largest difference; NaN where the lengths differ or something is no number. */
export function apart(found: ArrayLike<number> | undefined, expected: ArrayLike<number>): number {
  if (found === undefined || found.length !== expected.length) return Number.NaN;
  let most = 0;
  for (let i = 0; i < expected.length; i++) {
    const d = Math.abs((found[i] ?? Number.NaN) - (expected[i] ?? Number.NaN));
    if (!(d <= most)) most = d;
  }
  return most;
}

/** 1 - cosine to the nearest row of any bank: rows [n,dim]. */
export function nearestCosine(rows: Float32Array, banks: readonly Float32Array[], dim: number): Float32Array {
  const unit = (x: Float32Array): Float32Array[] =>
    Array.from({ length: x.length / dim }, (_, i) => {
      const row = x.slice(i * dim, (i + 1) * dim);
      const length = Math.hypot(...row);
      return row.map((v) => v / length);
    });
  const all = banks.flatMap(unit);
  return Float32Array.from(unit(rows), (row) =>
    Math.min(...all.map((other) => 1 - row.reduce((sum, v, i) => sum + v * (other[i] ?? 0), 0))),
  );
}
