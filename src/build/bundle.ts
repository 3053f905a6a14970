/** `model build`: from a CLIP file and a checkpoint to a bundle that was checked as the station checks it. */
import { loadBundle, modelName } from '../bundle/load';
import type { Bundle, Manifest } from '../bundle/manifest';
import { VerdictdError } from '../errors';
import type { InputSpec } from '../ports';
import { openCheckpoint } from './checkpoint';
import { type Activation, type ClipWeights, clipWeights } from './clip_names';
import { keepGolden, placePictures } from './golden';
import type { Composed, MethodInput, MethodName, MethodOptions } from './method';
import { methods } from './methods';
import { errorSettings, judgeError, type PrecisionError, precisionError } from './precision';
import { Probe, type Probed } from './probe';
import { Staging, sourceOf } from './staging';
import { Tokenizer } from './tokenizer';
import type { Precision } from './weights';

export interface BuildJob {
  method: MethodName;
  clip: string;
  adapter: string | null;
  tokenizer: string | null;
  precision: Precision;
  activation: Activation | null; // null: as the file's naming tells
  golden: string | null; // a picture; null: a procedural one
  out: string;
  options: MethodOptions;
  signal: AbortSignal;
}

export interface BuildDeps {
  /** A picture file as the model's tensor [3,height,width]. */
  tensor(path: string, input: InputSpec): Promise<Float32Array>;
  /** Loads the bundle as the station does and runs its golden image; throws where it does not hold. */
  prove(bundle: Bundle): Promise<void>;
  /** Called at each stage, with what is being done. */
  stage(what: string): void;
}

/** As `verdictd model build --json` says it. */
export interface Built {
  out: string;
  method: string;
  inputSize: number;
  sha256: string; // of the manifest
  golden: { score: number };
  warnings: string[];
}

/** CLIP's own (openai/CLIP clip.py _transform). */
export const clipMean: [number, number, number] = [0.48145466, 0.4578275, 0.40821073];
export const clipStd: [number, number, number] = [0.26862954, 0.26130258, 0.27577711];
const names = { input: 'image', score: 'score', logit: 'logit', map: 'map' } as const;
const reference = 'reference.onnx';
/**
 * Wide enough for half precision on another provider (cosines off by some thousandths), narrow enough that another model shows. A softmax
 * moves by at most a quarter of what its logits do.
 */
const toleranceOf = ({ scale }: Composed): number => Math.min(0.05, (0.0056 * scale) / 4);

/**
 * Builds, proves and puts the bundle in place; until then the folder `out` is as it was. Throws USAGE, CHECKPOINT_REFUSED,
 * IMAGE_UNREADABLE (golden), INFERENCE_FAILED, PROVIDER_UNAVAILABLE, ABORTED.
 */
export async function buildBundle(job: BuildJob, deps: BuildDeps): Promise<Built> {
  const warnings: string[] = [];
  const warn = (sentence: string): void => void warnings.push(sentence);
  const staging = Staging.begin(job.out);
  const clipFile = openCheckpointOf(job.clip, staging);
  try {
    deps.stage('reading the checkpoints');
    const adapter = job.adapter === null ? null : openCheckpoint(job.adapter);
    try {
      const clip = withActivation(clipWeights(clipFile), job, warn);
      const tokenizer = job.tokenizer === null ? null : Tokenizer.open(job.tokenizer);
      const text = { clip, where: job.clip, scratch: staging.dir, signal: job.signal };
      const input: MethodInput = { clip, clipPath: job.clip, adapter, tokenizer, text, options: job.options, warn };
      deps.stage('working out the text features');
      if (job.options.featureSurgery && job.method !== 'clip')
        throw new VerdictdError('USAGE', `--feature-surgery is for --method clip; ${job.method} has a map of its own.`);
      if (job.options.texture && job.method !== 'anovl')
        throw new VerdictdError('USAGE', `--texture is for --method anovl; ${job.method} has one set of words for all.`);
      const composed = await methods[job.method](input);
      const sealed = await makeFiles({ job, deps, staging, composed, clip, warn });
      deps.stage('proving the bundle');
      const bundle = await loadBundle(staging.dir);
      await deps.prove(bundle);
      job.signal.throwIfAborted();
      staging.commit();
      const score = sealed.golden.score;
      return { out: staging.target, method: job.method, inputSize: composed.size, sha256: bundle.sha256, golden: { score }, warnings };
    } finally {
      adapter?.close();
    }
  } finally {
    clipFile.close();
    staging.discard();
  }
}

function openCheckpointOf(path: string, staging: Staging): ReturnType<typeof openCheckpoint> {
  try {
    return openCheckpoint(path);
  } catch (thrown) {
    staging.discard();
    throw thrown;
  }
}

function withActivation(clip: ClipWeights, job: BuildJob, warn: (sentence: string) => void): ClipWeights {
  const { activation } = clip;
  if (job.activation !== null) return { ...clip, activation: { value: job.activation, certain: true } };
  if (!activation.certain)
    warn(`no weight tells which activation this model was trained with: ${activation.value} is assumed; --activation names another`);
  return clip;
}

interface Making {
  job: BuildJob;
  deps: BuildDeps;
  staging: Staging;
  composed: Composed;
  clip: ClipWeights;
  warn(sentence: string): void;
}

async function makeFiles(making: Making): Promise<Manifest> {
  const { job, deps, staging, composed, clip } = making;
  const { size } = composed;
  const input = { name: names.input, width: size, height: size, resize: 'bicubic', fit: 'squash', mean: clipMean, std: clipStd } as const;
  deps.stage('writing the model');
  composed.graph(job.precision).writeFile(staging.path(modelName));
  if (job.precision !== 'fp32') composed.graph('fp32').writeFile(staging.path(reference));
  job.signal.throwIfAborted();
  deps.stage('running the golden image');
  const { golden, error } = await probe(making, input);
  const { visual } = clip.config;
  const settings: Manifest['settings'] = {
    ...composed.settings,
    precision: job.precision,
    activation: clip.activation.value,
    vision: [visual.width, visual.layers, visual.heads, visual.patch, visual.grid],
    embed: clip.config.embed,
    checkpointNames: clip.naming,
  };
  if (job.options.object !== null) settings.object = job.options.object;
  if (error !== null) Object.assign(settings, errorSettings(job.precision, error));
  const manifest = {
    format: 1,
    name: `${job.method}-${visual.width}x${visual.layers}-p${visual.patch}-${size}`,
    version: '1.0.0',
    method: job.method,
    kind: 'clip',
    bootstrap: false,
    input,
    outputs: { score: names.score, logit: names.logit, map: names.map, probabilities: 'probabilities' },
    taps: composed.taps,
    settings,
    sources: await sourcesOf(job),
    golden: { image: golden.name, score: golden.score, tolerance: toleranceOf(composed) },
  } satisfies Omit<Manifest, 'files'>;
  return await staging.seal(manifest, [modelName, golden.name]);
}

async function sourcesOf(job: BuildJob): Promise<Manifest['sources']> {
  const sources: Manifest['sources'] = [];
  for (const path of [job.clip, job.adapter, job.tokenizer]) {
    if (path !== null) sources.push(await sourceOf(path));
  }
  return sources;
}

/** Picks the golden picture; another precision than fp32 is measured against it on that picture and on all drawn ones. */
async function probe(making: Making, input: InputSpec): Promise<{ golden: { name: string; score: number }; error: PrecisionError | null }> {
  const { job, deps, staging, composed, warn } = making;
  const { size } = composed;
  const reduced = job.precision !== 'fp32';
  const pictures = placePictures(staging, job.golden, size);
  const drawn = reduced && job.golden !== null ? placePictures(staging, null, size) : [];
  const scored: { name: string; score: number; found: Probed }[] = [];
  const model = await Probe.open(staging.path(modelName), names);
  try {
    for (const name of [...pictures, ...drawn]) {
      job.signal.throwIfAborted();
      const found = await model.run(await deps.tensor(staging.path(name), input), size, size);
      scored.push({ name, score: found.score, found });
      if (!reduced && middling(found.score)) break;
    }
  } finally {
    await model.close();
  }
  const [best] = scored.filter(({ name }) => pictures.includes(name)).sort((a, b) => Math.abs(a.score - 0.5) - Math.abs(b.score - 0.5));
  if (best === undefined) throw new VerdictdError('INTERNAL', 'no golden picture');
  if (!middling(best.score))
    warn(
      `the golden image scores ${best.score.toPrecision(3)}, at the end of the scale: it proves little. Name a picture of a part with --golden FILE`,
    );
  const error = reduced ? await compare(making, input, scored) : null;
  const doubt = error === null ? null : judgeError(job.precision, error);
  if (doubt !== null) warn(doubt);
  const name = keepGolden(staging, [...pictures, ...drawn], best.name);
  return { golden: { name, score: best.score }, error };
}

const middling = (score: number): boolean => score > 0.1 && score < 0.9;

async function compare(
  { deps, staging, composed }: Making,
  input: InputSpec,
  scored: readonly { name: string; found: Probed }[],
): Promise<PrecisionError> {
  const single = await Probe.open(staging.path(reference), names);
  try {
    const pairs: { single: Probed; other: Probed }[] = [];
    for (const { name, found } of scored)
      pairs.push({ other: found, single: await single.run(await deps.tensor(staging.path(name), input), composed.size, composed.size) });
    return precisionError(pairs);
  } finally {
    await single.close();
    staging.drop(reference);
  }
}
