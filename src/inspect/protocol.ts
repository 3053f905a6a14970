/** What crosses between the engine (main thread) and the inference worker. */
import type { Provider, Refusal, Rung } from './ladder';
import type { RegionRules } from './regions';
import type { Hashed } from './verified';

/** What the worker needs of a bundle: its model, and what the manifest says about it. */
export interface ModelSpec {
  file: Hashed;
  sha256: string; // of the bundle's manifest: the same hash is the same model
  input: { name: string; width: number; height: number };
  outputs: { score: string; logit?: string | undefined; map: string; probabilities: string | null };
  taps: readonly TapSpec[];
  golden: { score: number; tolerance: number };
}

export interface TapSpec {
  name: string;
  rows: number;
  columns: number;
  dim: number;
}

export interface LoadArgs {
  job: number; // calls that follow name the job they are meant for
  model: ModelSpec;
  bank: Hashed | null;
  /** Region rules of the recipe: the score is then taken from the bank's map. */
  regions: RegionRules | null;
  golden: Float32Array; // the golden image's tensor, [3,height,width]
  /** The ladder, from the top: names of rungs. */
  providers: readonly string[];
  threads: number;
  /** What the rung `tensorrt-engine` loads: path of the wrapper around an engine for this model. null: that rung is refused. */
  engine: string | null;
  /** Rungs above `providers` that were refused before the worker was asked. */
  refused: readonly Refusal[];
}

/** A recipe's bank beside those there are, behind the model that runs. */
export interface BesideArgs extends Pick<LoadArgs, 'job' | 'regions' | 'golden' | 'threads'> {
  bank: Hashed;
}

export type Beside = Pick<Loaded, 'bankProvider' | 'bankRefusals' | 'map'>;

export interface Loaded {
  provider: Provider; // really in use
  rung: Rung; // how: `tensorrt` on an engine from the cache, or built by the provider at this load
  refusals: Refusal[]; // of the rungs above it
  /** Where the bank runs; null without one. Differs from `provider` where the bank was refused there: see `bankRefusals`. */
  bankProvider: Provider | null;
  bankRefusals: Refusal[];
  /** Why sessions of the load before could not be released: their memory is held until the worker ends. */
  unreleased: string[];
  golden: number; // score the golden image got on `provider`
  map: { width: number; height: number };
  ms: number;
}

/** A tensor [3,height,width]: in a slot of the ring (read in place), or moved here. */
export type Source = { ring: number; slot: number } | { data: Float32Array };

export interface RunArgs {
  job: number;
  source: Source;
  asked: number; // monotonic ms
  map: 'none' | 'full';
  /** Loads of other recipes that say what they think of the same picture. */
  near?: readonly number[];
}

export interface RunResult {
  score: number;
  mapMax: number;
  map: Float32Array | null; // [height,width], moved; null unless asked for
  probabilities: { normal: number; anomaly: number } | null;
  /** The bank's score as a whole (without region rules) and what the banks of `near` say, on one scale. Absent unless asked for. */
  compared?: { own: number; others: { job: number; score: number }[] };
  ms: { queue: number; model: number; bank: number };
}

/** What moves to the worker with a call. */
export function buffers(source: Source): ArrayBuffer[] {
  return 'data' in source && source.data.buffer instanceof ArrayBuffer ? [source.data.buffer] : [];
}

/** What the model alone gives, without a bank: what teaching works on. */
export interface Embedding {
  score: number; // the method's own
  map: { width: number; height: number; data: Float32Array };
  /** data [rows*columns,dim]; after the taps of the manifest its logit as one of a single number, where there is one. */
  taps: { name: string; rows: number; columns: number; dim: number; data: Float32Array }[];
}
