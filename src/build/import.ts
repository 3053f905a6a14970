/**
 * `model import`: any ONNX anomaly model (anomalib's exports: picture in; `pred_score`, `anomaly_map` out) as a bundle. What it gives is
 * its own; verdictd adds static shapes, the names, hashes, a golden image. Without patch tokens no recipe can be taught with it.
 */
import { realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { loadBundle, modelName } from '../bundle/load';
import type { Manifest } from '../bundle/manifest';
import { VerdictdError } from '../errors';
import { checkModel } from '../onnx/check';
import { dataTypes } from '../onnx/wire';
import { bordersOf, type Declared, type Wrapping, writeWrapped } from '../onnx/wrap';
import type { BuildDeps, Built } from './bundle';
import { keepGolden, placePictures } from './golden';
import { Probe } from './probe';
import { runtime } from './runtime';
import { Staging, sourceOf } from './staging';

export interface ImportJob {
  model: string;
  out: string;
  imageSize: number | null; // px; null: as the model says
  scoreName: string | null;
  mapName: string | null;
  mean: [number, number, number];
  std: [number, number, number];
  golden: string | null;
  signal: AbortSignal;
}

const scoreNames = ['pred_score', 'score', 'anomaly_score'];
const mapNames = ['anomaly_map', 'map', 'anomaly_maps', 'output'];
const trial = 'trial.onnx';

/** Throws USAGE, BUNDLE_REFUSED, IMAGE_UNREADABLE (golden), INFERENCE_FAILED, PROVIDER_UNAVAILABLE, ABORTED. */
export async function importModel(asked: ImportJob, deps: BuildDeps): Promise<Built> {
  // The file behind a link: HuggingFace's cache is made of them. Where there is none, the reader says so.
  const job = { ...asked, model: await realpath(asked.model).catch(() => asked.model) };
  const warnings: string[] = [];
  const staging = Staging.begin(job.out);
  try {
    deps.stage('reading the model');
    const wrapping = choose(job, warnings);
    wrapping.size = await mapSize(job, wrapping, staging);
    writeWrapped(job.model, staging.path(modelName), wrapping);
    checkModel(staging.path(modelName), {}, job.model);
    deps.stage('running the golden image');
    const { height, width } = wrapping.input;
    const { mean, std } = job;
    const input = { name: wrapping.input.name, width, height, resize: 'bicubic', fit: 'squash', mean, std } as const;
    const golden = await score(job, deps, staging, input, warnings);
    const manifest = {
      format: 1,
      name: `imported-${basename(asked.model, '.onnx').replace(/\p{Cc}/gu, '?')}`.slice(0, 100),
      version: '1.0.0',
      method: 'imported',
      kind: 'imported',
      bootstrap: false,
      input,
      outputs: { score: 'score', map: 'map', probabilities: null },
      taps: [],
      settings: { scoreOutput: wrapping.score?.name ?? 'largest value of the map', mapOutput: wrapping.map.name },
      sources: [await sourceOf(asked.model)],
      golden,
    } satisfies Omit<Manifest, 'files'>;
    await staging.seal(manifest, [modelName, golden.image]);
    deps.stage('proving the bundle');
    const bundle = await loadBundle(staging.dir);
    await deps.prove(bundle);
    job.signal.throwIfAborted();
    staging.commit();
    return { out: staging.target, method: 'imported', inputSize: width, sha256: bundle.sha256, golden: { score: golden.score }, warnings };
  } finally {
    staging.discard();
  }
}

const list = (values: readonly Declared[]): string =>
  values.map(({ name, shape }) => `${name} [${shape?.map((n) => n ?? '?').join() ?? 'any shape'}]`).join(', ') || 'none';

function refuse(job: ImportJob, what: string): never {
  throw new VerdictdError(
    'BUNDLE_REFUSED',
    `${job.model} cannot be imported: ${what}. Export it again, or name the outputs with --score and --map.`,
  );
}

function choose(job: ImportJob, warnings: string[]): Wrapping {
  const { inputs, outputs } = bordersOf(job.model);
  const [image, ...more] = inputs;
  if (image === undefined || more.length > 0) return refuse(job, `its inputs are ${list(inputs)}; expected one picture`);
  if (image.type !== dataTypes.float32.code || image.shape?.length !== 4)
    refuse(job, `its input is ${list(inputs)} of element type ${image.type}; expected float32 [1,3,height,width]`);
  const [batch, channels, height, width] = image.shape ?? [];
  if ((batch ?? 1) !== 1 || (channels ?? 3) !== 3) refuse(job, `its input is ${list(inputs)}; expected [1,3,height,width]`);
  const find = (asked: string | null, usual: readonly string[]): Declared | undefined => {
    const found =
      asked === null
        ? usual.flatMap((name) => outputs.find((output) => output.name === name) ?? [])[0]
        : outputs.find(({ name }) => name === asked);
    if (asked !== null && found === undefined) refuse(job, `it has no output ${asked}, but ${list(outputs)}`);
    return found;
  };
  const map = find(job.mapName, mapNames) ?? refuse(job, `none of its outputs is a map by name: ${list(outputs)}`);
  if (map.shape === null || map.shape.length < 2) refuse(job, `its output ${list([map])} is no map`);
  const scored = find(job.scoreName, scoreNames) ?? null;
  if (scored === null) warnings.push(`the model has no score by name (${list(outputs)}): the largest value of its map is the score`);
  const side = (declared: number | null | undefined, what: string): number => {
    if (declared !== null && declared !== undefined && job.imageSize !== null && declared !== job.imageSize)
      throw new VerdictdError('USAGE', `--image-size ${job.imageSize} does not fit ${job.model}: its ${what} is ${declared} px.`);
    const size = declared ?? job.imageSize;
    if (size === null)
      throw new VerdictdError('USAGE', `${job.model} leaves the ${what} of its picture open: give --image-size N, as it was trained.`);
    return size;
  };
  return { input: { name: image.name, height: side(height, 'height'), width: side(width, 'width') }, score: scored, map, size: null };
}

/** Height and width of the map for this input: what the model really gives, from one run, after the safety walk. */
async function mapSize(job: ImportJob, wrapping: Wrapping, staging: Staging): Promise<{ height: number; width: number }> {
  const path = staging.path(trial);
  writeWrapped(job.model, path, wrapping);
  checkModel(path, {}, job.model);
  const { InferenceSession, Tensor } = runtime();
  const { name, height, width } = wrapping.input;
  let dims: number[];
  try {
    const session = await InferenceSession.create(path, { executionProviders: ['cpu'], logSeverityLevel: 3 });
    try {
      const zeros = new Tensor('float32', new Float32Array(3 * height * width), [1, 3, height, width]);
      const { shape } = await session.run({ [name]: zeros });
      dims = Array.from((shape?.data ?? []) as BigInt64Array, Number);
    } finally {
      await session.release();
    }
  } catch (thrown) {
    throw new VerdictdError(
      'BUNDLE_REFUSED',
      `${job.model} does not run for a picture of ${width} x ${height} px. Export it for that size.`,
      { cause: thrown },
    );
  } finally {
    staging.drop(trial);
  }
  const [mapWidth = 0, mapHeight = 0, ...rest] = dims.reverse();
  if (rest.some((n) => n !== 1) || mapWidth < 1 || mapHeight < 1)
    refuse(job, `its output ${wrapping.map.name} is [${dims.reverse().join()}]; expected one map`);
  return { height: mapHeight, width: mapWidth };
}

/**
 * The golden image, and how near another provider must come: nothing is known of a foreign score's scale but how it differs between pictures.
 */
async function score(
  job: ImportJob,
  deps: BuildDeps,
  staging: Staging,
  input: Parameters<BuildDeps['tensor']>[1] & { name: string },
  warnings: string[],
): Promise<Manifest['golden']> {
  const pictures = placePictures(staging, job.golden, Math.max(input.width, input.height));
  const probe = await Probe.open(staging.path(modelName), { input: input.name, score: 'score', map: 'map' });
  const scores: { name: string; score: number }[] = [];
  try {
    for (const name of pictures) {
      job.signal.throwIfAborted();
      scores.push({ name, score: (await probe.run(await deps.tensor(staging.path(name), input), input.height, input.width)).score });
    }
  } finally {
    await probe.close();
  }
  const sorted = scores.sort((a, b) => a.score - b.score);
  const middle = sorted[sorted.length >> 1];
  if (middle === undefined) throw new VerdictdError('INTERNAL', 'no golden picture');
  const spread = (sorted.at(-1)?.score ?? 0) - (sorted[0]?.score ?? 0);
  if (pictures.length > 1 && !(spread > 0))
    warnings.push(`all golden pictures score ${middle.score}: they prove little. Name a picture of a part with --golden FILE`);
  const tolerance = spread > 0 ? Math.max(0.05 * spread, 1e-6) : Math.max(0.02 * Math.abs(middle.score), 1e-3);
  return { image: keepGolden(staging, pictures, middle.name), score: middle.score, tolerance };
}
