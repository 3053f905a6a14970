/** Runs a model that was just made: its score and map on a picture, and how far half precision is from single. */
import type { InferenceSession } from 'onnxruntime-node';
import { VerdictdError } from '../errors';
import { runtime } from './runtime';

export interface Probed {
  score: number;
  map: Float32Array;
}

/** Owner of one session on the CPU; `close` is its only close path. */
export class Probe {
  private constructor(
    private readonly session: InferenceSession,
    private readonly names: { input: string; score: string; map: string },
  ) {}

  static async open(path: string, names: { input: string; score: string; map: string }): Promise<Probe> {
    return new Probe(await runtime().InferenceSession.create(path, { executionProviders: ['cpu'], logSeverityLevel: 3 }), names);
  }

  /** One tensor [1,3,height,width]. Throws INFERENCE_FAILED where the model gives NaN or infinity. */
  async run(data: Float32Array, height: number, width: number): Promise<Probed> {
    const { input, score, map } = this.names;
    const { Tensor } = runtime();
    const found = await this.session.run({ [input]: new Tensor('float32', data, [1, 3, height, width]) }, [score, map]);
    const value = Number(found[score]?.data[0]);
    const all = found[map]?.data as Float32Array | undefined;
    if (all === undefined || !Number.isFinite(value) || !all.every(Number.isFinite))
      throw new VerdictdError(
        'INFERENCE_FAILED',
        'the model that was built gives NaN or infinity. Check that its weights are those of a trained model.',
      );
    return { score: value, map: Float32Array.from(all) };
  }

  async close(): Promise<void> {
    await this.session.release();
  }
}

export interface PrecisionError {
  score: number; // largest difference of the scores
  map: number; // largest difference of the maps
  rankCorrelation: number; // smallest Spearman correlation of the maps
}

export function precisionError(pairs: readonly { single: Probed; half: Probed }[]): PrecisionError {
  const error: PrecisionError = { score: 0, map: 0, rankCorrelation: 1 };
  for (const { single, half } of pairs) {
    error.score = Math.max(error.score, Math.abs(single.score - half.score));
    for (let i = 0; i < single.map.length; i++) error.map = Math.max(error.map, Math.abs((single.map[i] ?? 0) - (half.map[i] ?? 0)));
    error.rankCorrelation = Math.min(error.rankCorrelation, rankCorrelation(single.map, half.map));
  }
  return error;
}

/** Spearman's; equal values in the order of their places. */
export function rankCorrelation(a: Float32Array, b: Float32Array): number {
  const [x, y] = [ranks(a), ranks(b)];
  const mean = (a.length - 1) / 2;
  let [both, square] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    both += ((x[i] ?? 0) - mean) * ((y[i] ?? 0) - mean);
    square += ((x[i] ?? 0) - mean) ** 2;
  }
  return square === 0 ? 1 : both / square;
}

function ranks(values: Float32Array): Float64Array {
  const order = Uint32Array.from(values, (_, i) => i).sort((i, j) => (values[i] ?? 0) - (values[j] ?? 0) || i - j);
  const out = new Float64Array(values.length);
  for (let rank = 0; rank < order.length; rank++) out[order[rank] ?? 0] = rank;
  return out;
}
