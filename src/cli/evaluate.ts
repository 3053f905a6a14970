/** `verdictd evaluate`: the figures of a recipe or a bundle on a labelled data set, as JSON and as a report to look at. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { Bundle } from '../bundle/manifest';
import { decodeImage } from '../camera/images';
import { readPicture } from '../camera/picture';
import { systemClock } from '../clock';
import { reason, VerdictdError } from '../errors';
import { type Search, standardSearch } from '../evaluate/adversarial';
import { type Curve, curveWork, shotsCurve } from '../evaluate/curve';
import { readDataset } from '../evaluate/dataset';
import { type Evaluated, evaluate } from '../evaluate/evaluate';
import type { Dataset } from '../evaluate/item';
import type { Model } from '../evaluate/judge';
import { draw } from '../evaluate/random';
import { reportHtml } from '../evaluate/report/html';
import { showcase } from '../evaluate/report/showcase';
import { type Robustness, robustness, robustnessWork } from '../evaluate/robustness';
import { makeEngine } from '../make_engine';
import { preprocess } from '../native';
import { type Recipe, type Symmetry, symmetries } from '../recipe/recipe';
import { BankRunner } from '../recipe/runner';
import { loadRecipe } from '../recipe/store';
import type { Context } from './context';
import { summaryLines } from './evaluated';
import { loadTerms } from './inspect';
import { integer, number, slug } from './options';
import { fileParts, teachFiles } from './teach';

interface Options {
  recipe?: string;
  bundle?: string;
  shots?: number;
  symmetry: Symmetry;
  falseReject: number;
  product?: string;
  report?: string;
  curve?: true;
  draws: number;
  robustness?: true;
  epsilon: number;
  budget: number;
}

const stopWithin = 10_000; // ms: a run in progress ends by itself
const forever = Number.POSITIVE_INFINITY;

interface Job {
  context: Context;
  options: Options;
  dataset: Dataset;
  bundle: Bundle;
  recipe: Recipe | null;
  /** For recipes that are taught for this evaluation alone. */
  scratch: string;
}

/** The recipe to judge by: the one named, one taught from `--shots` of the set's own good parts, or none. */
async function termsOf(
  context: Context,
  options: Options,
  dataset: Dataset,
  scratch: string,
): Promise<{ bundle: Bundle; recipe: Recipe | null }> {
  const { bundle, recipe } = await loadTerms(context, options);
  if (options.shots === undefined) return { bundle, recipe };
  if (dataset.train.length === 0)
    throw new VerdictdError(
      'USAGE',
      '--shots teaches from the data set, and it has no good parts to teach from (train/good). Leave --shots out',
    );
  const { inference } = context.config();
  const { io } = context;
  const progress = io.progress('good parts', dataset.train.length);
  try {
    const report = await teachFiles(
      {
        dataDir: scratch,
        recipe: 'evaluated',
        bundle,
        paths: draw(dataset.train, dataset.train.length, 0),
        shots: options.shots,
        symmetry: recipe?.file.symmetry ?? options.symmetry,
        falseReject: recipe?.file.limit.falseReject ?? options.falseReject,
        providers: inference.providers,
        threads: inference.threads,
      },
      context,
      () => progress.step(),
    );
    progress.done();
    for (const warning of report.warnings) io.err(`teaching: ${warning}`);
  } finally {
    progress.done();
  }
  return { bundle, recipe: await loadRecipe(scratch, 'evaluated') };
}

interface Results extends Evaluated {
  curve: Curve | null;
  robust: Robustness | null;
  html: string | null;
}

async function work({ context, options, dataset, bundle, recipe, scratch }: Job): Promise<Results> {
  const { io, signal } = context;
  const { inference, quality: limits } = context.config();
  const { input } = bundle.manifest;
  const engine = makeEngine(inference, { diagnostics: context.diagnostics(), engines: context.engines() });
  const bank = new BankRunner(inference.threads);
  const shown = async <T>(label: string, total: number, act: (step: () => void) => Promise<T>): Promise<T> => {
    const progress = io.progress(label, total);
    try {
      return await act(() => progress.step());
    } finally {
      progress.done();
    }
  };
  try {
    engine.start();
    const loaded = await engine.load(bundle, recipe, signal);
    const model: Model = {
      async read(path) {
        const { ms, ...picture } = await readPicture(path, input);
        return { ...picture, ms: ms.decode + ms.preprocess };
      },
      run: (data, map) => engine.run(loaded.job, { data }, forever, map),
      map: loaded.map,
      recipe,
      limits,
      signal,
    };
    const evaluated = await shown('evaluated', dataset.test.length, (step) => evaluate(dataset, model, step));
    const search: Search = { epsilon: options.epsilon, budget: options.budget };
    const robust =
      options.robustness === undefined
        ? null
        : await shown('disturbed', robustnessWork(dataset.test), (progress) =>
            robustness(dataset.test, search, {
              model,
              input,
              decode: decodeImage,
              preprocess: (picture) => preprocess(picture, input),
              progress,
            }),
          );
    const html =
      options.report === undefined
        ? null
        : (curve: Curve | null) =>
            showcase(evaluated.scored, model).then((parts) =>
              reportHtml({ dataset, bundle, recipe, ...evaluated, curve, robust, parts, created: systemClock.wall().utc }),
            );
    const curve =
      options.curve === undefined
        ? null
        : await shown(
            'shots',
            curveWork({ train: fileParts(dataset.train, input), test: dataset.test, draws: options.draws }),
            async (progress) => {
              bank.start();
              const embed = async (data: Float32Array) => (await engine.embed(loaded.job, { data })).taps.map((tap) => tap.data);
              return await shotsCurve(
                {
                  dataDir: scratch,
                  bundle,
                  train: fileParts(dataset.train, input),
                  test: dataset.test,
                  symmetry: recipe?.file.symmetry ?? options.symmetry,
                  falseReject: options.falseReject,
                  draws: options.draws,
                },
                {
                  embed,
                  bank,
                  utc: () => systemClock.wall().utc,
                  signal,
                  progress,
                  tokens: async (path) => embed((await readPicture(path, input)).tensor),
                },
              );
            },
          );
    if (options.curve !== undefined && curve === null)
      evaluated.evaluation.statements.push('There is no curve of shots: it needs two good parts to teach from, and both classes to test.');
    return { ...evaluated, curve, robust, html: html === null ? null : await html(curve) };
  } finally {
    await bank.end();
    await engine.stop(systemClock.now() + stopWithin);
  }
}

async function run(context: Context, path: string, options: Options): Promise<void> {
  const { io } = context;
  const dataset = await readDataset(path, options.product ?? null);
  if (dataset.products.length > 1 && (options.recipe !== undefined || options.shots !== undefined))
    throw new VerdictdError(
      'USAGE',
      `${path} holds ${dataset.products.length} products (${dataset.products.join(', ')}), and a recipe is for one. Choose it with --product`,
    );
  const scratch = await mkdtemp(join(tmpdir(), 'verdictd-evaluate-'));
  try {
    const { bundle, recipe } = await termsOf(context, options, dataset, scratch);
    const { evaluation, curve, robust, html } = await work({ context, options, dataset, bundle, recipe, scratch });
    if (options.report !== undefined && html !== null) await save(options.report, html);
    const { layout, products, fingerprint, hashed } = dataset;
    const { name, version } = bundle.manifest;
    const result = {
      ...evaluation,
      curve,
      robustness: robust,
      dataset: { layout, products, fingerprint, hashed },
      bundle: { name, version, sha256: bundle.sha256 },
      recipe: recipe === null ? null : { id: recipe.file.id, revision: recipe.file.revision, shots: recipe.file.shots.length },
    };
    if (io.json) io.outJson(result);
    else for (const line of summaryLines(evaluation, curve, robust)) io.out(line);
    if (!io.json && options.report !== undefined) io.out(`report: ${options.report}`);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function save(file: string, html: string): Promise<void> {
  try {
    await writeFile(file, html);
  } catch (thrown) {
    throw new VerdictdError('USAGE', `${file} cannot be written (${reason(thrown)}). Name a file that can.`, { cause: thrown });
  }
}

export function register(program: Command, context: Context): void {
  program
    .command('evaluate')
    .description(
      'Figures on labelled pictures: how well good and bad parts are told apart, and what the limit does to them. Reads the MVTec layout, meta.json (AD-CLIP) and a label CSV.',
    )
    .argument(
      '<dataset>',
      'folder with train/good, test/KIND and ground_truth/KIND; or with meta.json; or a CSV with image_id,label,description',
    )
    .option('--recipe <id>', 'recipe to judge by', slug)
    .option('--bundle <dir>', 'model; default: the one of the configuration. Without --recipe and --shots: its own scores, and no limit')
    .option(
      '--shots <k>',
      "teach from so many of the data set's good parts, for this evaluation only (as the recipe, where one is named)",
      integer(1, 1000),
    )
    .addOption(new Option('--symmetry <kind>', 'with --shots or --curve').choices(symmetries).default('none'))
    .option('--false-reject <share>', 'with --shots: share of good parts the limit may reject', number(1e-5, 0.5), 0.005)
    .option('--product <name>', 'only this product of a data set with several')
    .option('--report <file>', 'write a report to look at: one HTML file, nothing else needed')
    .option('--curve', 'AUROC by 1, 2, 4, 8 and 16 shots, and where more add little')
    .option('--draws <n>', 'with --curve: draws of shots', integer(1, 100), 5)
    .option('--robustness', 'the figures under noise, salt and pepper, blur, light, rotation and an adversarial search')
    .option(
      '--epsilon <levels>',
      'with --robustness: largest step of the adversarial search, grey levels of 255',
      number(0.1, 64),
      standardSearch.epsilon,
    )
    .option('--budget <n>', 'with --robustness: inferences a picture of that search', integer(2, 100_000), standardSearch.budget)
    .action((path: string, options: Options) => run(context, path, options));
}
