/** `verdictd inspect`: judges image files, one line each. A file that cannot be judged is a line too, and the others go on. */

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, parse, relative } from 'node:path';
import type { Command } from 'commander';
import { defaultBundleDir, loadBundle } from '../bundle/load';
import type { Bundle } from '../bundle/manifest';
import { listImages } from '../camera/list';
import { type Picture, readPicture } from '../camera/picture';
import { systemClock } from '../clock';
import { Evaluation, type Word } from '../codes';
import { ExitCode, reason, VerdictdError } from '../errors';
import { npy } from '../inspect/npy';
import type { RunResult } from '../inspect/protocol';
import type { GateLimits } from '../inspect/quality';
import { gate } from '../inspect/quality';
import { judgeBy } from '../inspect/verdict';
import { makeEngine } from '../make_engine';
import type { InputSpec } from '../ports';
import { misfit } from '../recipe/fit';
import type { Recipe } from '../recipe/recipe';
import { loadRecipe } from '../recipe/store';
import { atTemperature } from '../recipe/temperature';
import { wordOf } from '../verdict_word';
import type { Context } from './context';
import { slug } from './options';

/** One image, as --json prints it. Absent parts are null: a score without a limit, an image without a score. */
export interface Inspected {
  image: string; // as named, or found in the folder that was
  score: number | null; // what `limit` is compared with; without a recipe the method's own
  limit: number | null;
  evaluation: Evaluation | null;
  verdict: Word | null;
  probabilities: { normal: number; anomaly: number } | null;
  mapMax: number | null;
  width: number | null; // px of the file
  height: number | null;
  ms: Partial<Record<'decode' | 'preprocess' | 'queue' | 'model' | 'bank', number>>;
  /** Why there is no verdict. */
  error?: string;
}

/** Where an image is, and under which name its arrays are written. */
interface Item {
  path: string;
  name: string; // relative, without extension: the folder structure below a folder that was named is kept
  error: string | null; // why the folder could not be listed
}

interface Options {
  bundle?: string;
  recipe?: string;
  mapOut?: string;
  tensorOut?: string;
}

const stopWithin = 10_000; // ms: a run in progress ends by itself
/** Nothing else waits for a one-shot inspection: as long as the engine's own bound. */
const forever = Number.POSITIVE_INFINITY;

async function expand(paths: readonly string[]): Promise<Item[]> {
  const items: Item[] = [];
  for (const path of paths) {
    try {
      for (const image of await listImages(path)) {
        const below = image === path ? parse(path).base : relative(path, image);
        items.push({ path: image, name: join(dirname(below), parse(below).name), error: null });
      }
    } catch (thrown) {
      if (!(thrown instanceof VerdictdError)) throw thrown;
      items.push({ path, name: parse(path).name, error: thrown.message });
    }
  }
  return items;
}

/** Two images must not write one file. */
function refuseTwins(items: readonly Item[]): void {
  const seen = new Map<string, string>();
  for (const { name, path, error } of items) {
    if (error !== null) continue;
    const twin = seen.get(name);
    if (twin !== undefined) {
      const what = `${twin} and ${path} would both be written to ${name}.npy`;
      throw new VerdictdError('USAGE', `${what}; expected images of different names. Inspect them one after the other.`);
    }
    seen.set(name, path);
  }
}

async function write(dir: string, name: string, data: Float32Array, shape: readonly number[]): Promise<void> {
  const file = join(dir, `${name}.npy`);
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, npy(data, shape));
  } catch (thrown) {
    throw new VerdictdError('USAGE', `${file} cannot be written (${reason(thrown)}). Name a folder that can.`, { cause: thrown });
  }
}

/** A bundle, and a recipe that was made for it. With both options, --bundle says where the recipe's bundle lies. */
export async function loadTerms(
  context: Context,
  options: Pick<Options, 'bundle' | 'recipe'>,
): Promise<{ bundle: Bundle; recipe: Recipe | null }> {
  const recipe = options.recipe === undefined ? null : await loadRecipe(context.dataDir(), options.recipe);
  const bundle = await loadBundle(options.bundle ?? context.config().bundle.path ?? defaultBundleDir());
  const wrong = recipe === null ? null : misfit(recipe.file, bundle);
  if (wrong !== null) throw new VerdictdError('RECIPE_REFUSED', `${wrong}. Name its bundle with --bundle DIR, or teach the recipe again.`);
  return { bundle, recipe };
}

const judge = judgeBy({ acceptSimulated: false, acceptProvisional: true, teaching: () => false });
/** A file is no part at the gate: it is judged as the station would, and released to nobody. */
const aFile = { part: { seq: 1, simulated: true }, late: false, operational: true } as const;

function judged(
  found: RunResult,
  picture: Picture,
  recipe: Recipe,
  limits: GateLimits,
): Pick<Inspected, 'evaluation' | 'verdict' | 'error'> {
  const refused = gate(picture.quality, recipe.file.reference, limits);
  const findings = { ...found, map: null, provider: '' };
  const outcome = refused === null ? { kind: 'findings' as const, findings } : { kind: 'fault' as const, ...refused };
  const { evaluation, released, detail } = judge(outcome, recipe.file, aFile);
  const verdict = wordOf({ evaluation, released, part: aFile.part });
  return evaluation === Evaluation.Undefined ? { evaluation, verdict, error: detail } : { evaluation, verdict };
}

/** One image that could not be judged. */
function failed(item: Item, recipe: Recipe | null, error: string): Inspected {
  return {
    image: item.path,
    score: null,
    limit: recipe?.file.limit.value ?? null,
    evaluation: Evaluation.Undefined,
    verdict: 'ERROR',
    probabilities: null,
    mapMax: null,
    width: null,
    height: null,
    ms: {},
    error,
  };
}

/** What a bad picture throws, as a sentence; everything else is not about this picture and goes on. */
function ofThePicture(thrown: unknown): string {
  if (thrown instanceof VerdictdError && (thrown.code === 'IMAGE_UNREADABLE' || thrown.code === 'INFERENCE_FAILED')) return thrown.message;
  throw thrown;
}

export interface InspectJob {
  bundle: Bundle;
  recipe: Recipe | null;
  limits: GateLimits;
  providers: readonly string[];
  threads: number;
  mapOut: string | null;
  tensorOut: string | null;
}

/** Judges the images in order; while one is in the model, the next is read. */
export async function* inspectImages(items: readonly Item[], job: InspectJob, context: Context): AsyncGenerator<Inspected> {
  const { bundle, recipe } = job;
  const { manifest } = bundle;
  const input: InputSpec = manifest.input;
  const { providers, threads } = job;
  const engine = makeEngine({ providers, threads }, { diagnostics: context.diagnostics(), engines: context.engines() });
  const read = (item: Item | undefined): Promise<Picture | string> =>
    item === undefined || item.error !== null
      ? Promise.resolve(item?.error ?? '')
      : readPicture(item.path, input).catch((thrown: unknown) => ofThePicture(thrown));
  let next: Promise<Picture | string> | null = null;
  try {
    engine.start();
    const loaded = await engine.load(bundle, recipe, context.signal);
    next = read(items[0]);
    for (const [i, item] of items.entries()) {
      context.signal.throwIfAborted();
      const picture: Picture | string = await next;
      next = read(items[i + 1]);
      next.catch(() => undefined); // told when its turn comes
      if (typeof picture === 'string') {
        yield failed(item, recipe, picture);
        continue;
      }
      const { width, height, tensor, ms } = picture;
      if (job.tensorOut !== null) await write(job.tensorOut, item.name, tensor, [3, input.height, input.width]);
      let found: RunResult;
      try {
        found = await engine.run(loaded.job, { data: tensor }, forever, job.mapOut === null ? 'none' : 'full');
      } catch (thrown) {
        yield { ...failed(item, recipe, ofThePicture(thrown)), width, height };
        continue;
      }
      if (job.mapOut !== null && found.map !== null) await write(job.mapOut, item.name, found.map, [loaded.map.height, loaded.map.width]);
      yield {
        image: item.path,
        score: found.score,
        limit: recipe?.file.limit.value ?? null,
        evaluation: null,
        verdict: null,
        probabilities: shown(found.probabilities, recipe),
        mapMax: found.mapMax,
        width,
        height,
        ms: rounded({ ...ms, ...found.ms }),
        ...(recipe === null ? {} : judged(found, picture, recipe, job.limits)),
      };
    }
  } finally {
    await next?.catch(() => undefined);
    await engine.stop(systemClock.now() + stopWithin);
  }
}

/** Class probabilities at the recipe's temperature; the log keeps them as the model gave them. */
function shown(probabilities: Inspected['probabilities'], recipe: Recipe | null): Inspected['probabilities'] {
  return probabilities === null ? null : atTemperature(probabilities, recipe?.file.temperature ?? 1);
}

/** To the microsecond. */
function rounded(ms: Inspected['ms']): Inspected['ms'] {
  return Object.fromEntries(Object.entries(ms).map(([stage, time]) => [stage, Math.round(time * 1000) / 1000]));
}

function row({ image, score, limit, verdict, error }: Inspected): string {
  const figures = `${score === null ? '-' : score.toFixed(4)}`.padStart(9) + (limit === null ? '' : ` / ${limit.toFixed(4)}`);
  return `${(verdict ?? '-').padEnd(9)} ${figures}  ${image}${error === undefined ? '' : `  (${error})`}`;
}

async function inspect(context: Context, paths: readonly string[], options: Options): Promise<void> {
  const { io } = context;
  const { inference, quality } = context.config();
  const mapOut = options.mapOut ?? null;
  const tensorOut = options.tensorOut ?? null;
  const items = await expand(paths);
  if (mapOut !== null || tensorOut !== null) refuseTwins(items);
  const { bundle, recipe } = await loadTerms(context, options);
  if (!io.json && bundle.manifest.bootstrap) {
    io.err(`${bundle.manifest.name} is a bootstrap model, made to start with; see \`verdictd model build\` for AD-CLIP and others.`);
  }
  const job = { bundle, recipe, limits: quality, providers: inference.providers, threads: inference.threads, mapOut, tensorOut };
  const progress = io.progress('inspected', items.length);
  try {
    for await (const one of inspectImages(items, job, context)) {
      if (one.error !== undefined) context.exitCode = ExitCode.failed;
      if (io.json) io.outJson(one);
      else io.out(row(one));
      progress.step();
    }
  } finally {
    progress.done();
  }
}

export function register(program: Command, context: Context): void {
  program
    .command('inspect')
    .description(
      'Judge images: one line each with score, limit and verdict. A file that cannot be judged is a line with verdict ERROR and why; exit code 1 then, after all the others.',
    )
    .argument('<image...>', 'image files, or folders of them')
    .option('--bundle <dir>', 'model; default: the one of the configuration. With --recipe: where the bundle it was taught with lies')
    .option(
      '--recipe <id>',
      'recipe: calibrated score, limit and verdict. Without one: the score of the method itself, and no verdict',
      slug,
    )
    .option('--map-out <dir>', 'write each anomaly map there as NAME.npy (float32 [height,width])')
    .option('--tensor-out <dir>', 'write each input tensor there as NAME.npy (float32 [3,height,width])')
    .action((paths: string[], options: Options) => inspect(context, paths, options));
}
