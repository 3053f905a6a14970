/** Runs a model that was just made: its score and map on a picture. */
import type { InferenceSession } from 'onnxruntime-node';
import { VerdictdError } from '../errors';
import { runtime } from './runtime';

export interface Probed {
  score: number;
  logit: number | null; // null: the model has none
  map: Float32Array;
}

export interface ProbeNames {
  input: string;
  score: string;
  logit?: string;
  map: string;
}

/** Owner of one session on the CPU; `close` is its only close path. */
export class Probe {
  private constructor(
    private readonly session: InferenceSession,
    private readonly names: ProbeNames,
  ) {}

  static async open(path: string, names: ProbeNames): Promise<Probe> {
    return new Probe(await runtime().InferenceSession.create(path, { executionProviders: ['cpu'], logSeverityLevel: 3 }), names);
  }

  /** One tensor [1,3,height,width]. Throws INFERENCE_FAILED where the model gives NaN or infinity. */
  async run(data: Float32Array, height: number, width: number): Promise<Probed> {
    const { input, score, logit, map } = this.names;
    const { Tensor } = runtime();
    const found = await this.session.run({ [input]: new Tensor('float32', data, [1, 3, height, width]) }, [
      score,
      map,
      ...(logit === undefined ? [] : [logit]),
    ]);
    const value = Number(found[score]?.data[0]);
    const all = found[map]?.data as Float32Array | undefined;
    if (all === undefined || !Number.isFinite(value) || !all.every(Number.isFinite))
      throw new VerdictdError(
        'INFERENCE_FAILED',
        'the model that was built gives NaN or infinity. Check that its weights are those of a trained model.',
      );
    const apart = logit === undefined ? null : Number(found[logit]?.data[0]);
    return { score: value, logit: apart, map: Float32Array.from(all) };
  }

  async close(): Promise<void> {
    await this.session.release();
  }
}
