/** Small real models, written at test time: what they give can be worked out by hand. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import type { Bundle } from '../../src/bundle/manifest';
import { systemClock } from '../../src/clock';
import { sha256 as sha256Of } from '../../src/hash';
import { Engine, type EngineDeps, type EngineOptions } from '../../src/inspect/engine';
import { Graph, type Value } from '../../src/onnx/graph';
import { exp, log, matMul, mul, reduceMax, reduceMean, reduceMin, reshape, softmax } from '../../src/onnx/ops';
import type { Recipe } from '../../src/recipe/recipe';

export const side = 8;
export const count = 3 * side * side;
/** Value of every element of the golden image's tensor. */
export const golden = 0.5;

export interface ModelOptions {
  /** What becomes of the map, the score, the tokens; default: nothing. */
  map?: (x: Value) => Value;
  score?: (x: Value) => Value;
  tokens?: (x: Value) => Value;
  goldenScore?: number;
  side?: number;
  probabilities?: boolean;
}

/** What a manifest says of a file. */
export const entry = (bytes: Uint8Array) => ({ sha256: sha256Of(bytes), bytes: bytes.length });

/** score = mean of the input, map = maximum over the channels, tokens = the input cut in 16 rows of 12. */
export function bundleOf(dir: string, name: string, options: ModelOptions = {}): Bundle {
  const n = options.side ?? side;
  const graph = new Graph(name);
  const image = graph.input('image', 'float32', [1, 3, n, n]);
  const same = (x: Value) => x;
  graph.output('score', reshape((options.score ?? same)(reduceMean(image, [0, 1, 2, 3])), [1]));
  graph.output('map', (options.map ?? same)(reduceMax(image, [1])));
  const dim = (3 * n * n) / 16;
  graph.output('tokens', (options.tokens ?? same)(reshape(image, [1, 16, dim])));
  if (options.probabilities === true) graph.output('probabilities', softmax(reshape(reduceMax(image, [2, 3]), [1, 3])));
  const modelPath = join(dir, `${name}.onnx`);
  const bytes = graph.toBuffer();
  writeFileSync(modelPath, bytes);
  return {
    dir,
    modelPath,
    goldenPath: join(dir, 'golden.png'), // never read: the tests' reader gives the tensor
    sha256: Buffer.from(name).toString('hex').padEnd(64, '0').slice(0, 64),
    manifest: {
      format: 1,
      name,
      version: '1.0.0',
      method: 'texture',
      kind: 'texture',
      bootstrap: true,
      files: { [`${name}.onnx`]: entry(bytes) },
      input: { name: 'image', width: n, height: n, resize: 'bicubic', fit: 'squash', mean: [0, 0, 0], std: [1, 1, 1] },
      outputs: { score: 'score', map: 'map', probabilities: null },
      taps: [{ name: 'tokens', rows: 4, columns: 4, dim }],
      settings: {},
      sources: [],
      golden: { image: 'golden.png', score: options.goldenScore ?? golden, tolerance: 1e-4 },
    },
  };
}

/** Gives what its input gives, after work that takes a core some hundred ms. */
export function slowBundle(dir: string): Bundle {
  const n = 512;
  const busy = (x: Value): Value => {
    let y = reshape(x, [n, n]);
    for (let i = 0; i < 60; i++) y = softmax(matMul(y, y));
    return reshape(y, [1, n, n]);
  };
  return bundleOf(dir, 'slow', { side: n, map: busy });
}

export const nan = { map: log, score: (x: Value) => exp(mul(x, 1000)), tokens: log };

/** A bank that reads `input` [1,16,12]: score = 10 x its smallest value, map = its values [1,16,12]. */
export function recipeOf(dir: string, name: string, input = 'tokens', dim = 12, gain = 10): Recipe {
  const graph = new Graph(name);
  const tokens = graph.input(input, 'float32', [1, 16, dim]);
  graph.output('score', reshape(mul(reduceMin(tokens, [0, 1, 2]), gain), [1]));
  graph.output('map', mul(tokens, gain));
  const bankPath = join(dir, `${name}.onnx`);
  const bytes = graph.toBuffer();
  writeFileSync(bankPath, bytes);
  const sha256 = '0'.repeat(64);
  return {
    dir,
    bankPath,
    file: {
      format: 1,
      id: name,
      number: 7,
      title: name,
      created: '2026-11-21T00:00:00Z',
      revision: 1,
      bundle: { name: 'tiny', sha256 },
      symmetry: 'none',
      shots: [],
      bank: { file: `${name}.onnx`, ...entry(bytes), vectors: 1 },
      limit: { value: 2, grey: 0, falseReject: 0.005, provisional: true, goodParts: 4, goodPartsNeeded: 598, rule: 'test' },
      reference: { mean: 120, sharpness: 3 },
      camera: {},
    },
  };
}

/** Engines that are stopped, and folders that are removed, when the test file ends. */
export class Bench {
  readonly dir = mkdtempSync(join(tmpdir(), 'verdictd-inspect-'));
  readonly lines: Record<string, unknown>[] = [];
  private readonly engines: Engine[] = [];

  engine(options: Partial<EngineOptions> = {}, deps: Partial<EngineDeps> = {}): Engine {
    const write = (line: string) => this.lines.push(JSON.parse(line) as Record<string, unknown>);
    const engine = new Engine(
      { providers: ['cpu'], threads: 1, ...options },
      {
        clock: systemClock,
        diagnostics: pino({ level: 'trace' }, { write }),
        tensor: (_, input) => Promise.resolve(new Float32Array(3 * input.width * input.height).fill(golden)),
        ...deps,
      },
    );
    this.engines.push(engine);
    engine.start();
    return engine;
  }

  async close(): Promise<void> {
    for (const engine of this.engines) await engine.stop(systemClock.now() + 10_000);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export const filled = (value: number, n = count): { data: Float32Array } => ({ data: new Float32Array(n).fill(value) });
export const soon = (ms = 20_000): number => systemClock.now() + ms;
