/** `verdictd teach`: a recipe from pictures of good parts. */
import { type Command, Option } from 'commander';
import { loadBundle } from '../bundle/load';
import type { Bundle } from '../bundle/manifest';
import { decodeImage, readImage } from '../camera/images';
import { listImages } from '../camera/list';
import { systemClock } from '../clock';
import { VerdictdError } from '../errors';
import { lockDataDir } from '../lock';
import { makeEngine } from '../make_engine';
import { preprocess } from '../native';
import type { InputSpec } from '../ports';
import { mostTolerance, usualTolerance } from '../recipe/position';
import { type Symmetry, symmetries } from '../recipe/recipe';
import { BankRunner } from '../recipe/runner';
import type { GoodPart } from '../recipe/shots';
import { type TeachDeps, type TeachOptions, type TeachReport, teach } from '../recipe/teach';
import type { Context } from './context';
import { integer, number, slug } from './options';
import { addRegionOptions, type RegionOptions, regionRules } from './region_options';
import { sayDoubts } from './teach_doubts';
import { liveShots, teachLive } from './teach_live';

interface Options extends RegionOptions {
  recipe: string;
  good?: string[];
  live?: true;
  heldOut?: number;
  keepAll?: true;
  by?: string;
  bundle?: string;
  shots?: number;
  symmetry: Symmetry;
  position?: number | true;
  mix: number;
  falseReject: number;
  title?: string;
  grey?: number;
  bad?: string[];
  limitSample?: string[];
}

const stopWithin = 10_000; // ms: a run in progress ends by itself

/** Good parts from files, decoded and preprocessed as the station would. */
export function fileParts(paths: readonly string[], input: InputSpec): GoodPart[] {
  return paths.map((name) => ({
    name,
    async read() {
      const file = await readImage(name);
      const picture = await decodeImage(file, name);
      const { tensor, quality } = await preprocess(picture, input);
      return { tensor, quality, picture, file };
    },
  }));
}

export interface TeachJob extends Omit<TeachOptions, 'bundle' | 'parts' | 'bad' | 'limitSamples'> {
  bundle: Bundle;
  paths: readonly string[];
  badPaths?: readonly string[];
  limitSamplePaths?: readonly string[];
  providers: readonly string[];
  threads: number;
}

/** Teaches from files with an engine of its own. Used by the command and by the bench. */
export async function teachFiles(
  job: TeachJob,
  context: Pick<Context, 'diagnostics' | 'engines' | 'signal'>,
  progress?: () => void,
): Promise<TeachReport> {
  const { providers, threads, bundle, paths } = job;
  const input: InputSpec = bundle.manifest.input;
  const engine = makeEngine({ providers, threads }, { diagnostics: context.diagnostics(), engines: context.engines() });
  const bank = new BankRunner(threads);
  try {
    engine.start();
    bank.start();
    const loaded = await engine.load(bundle, null, context.signal);
    const deps: TeachDeps = {
      embed: async (data) => (await engine.embed(loaded.job, { data })).taps.map((tap) => tap.data),
      bank,
      utc: () => systemClock.wall().utc,
      signal: context.signal,
      ...(progress === undefined ? {} : { progress }),
    };
    const bad = fileParts(job.badPaths ?? [], input);
    const limitSamples = fileParts(job.limitSamplePaths ?? [], input);
    return (await teach({ ...job, parts: fileParts(paths, input), bad, limitSamples }, deps)).report;
  } finally {
    await bank.end();
    await engine.stop(systemClock.now() + stopWithin);
  }
}

async function run(context: Context, options: Options): Promise<void> {
  const { io } = context;
  const { inference, bundle: configured } = context.config();
  const paths = await listImages(options.good ?? []);
  const badPaths = options.bad === undefined ? [] : await listImages(options.bad);
  const limitSamplePaths = options.limitSample === undefined ? [] : await listImages(options.limitSample);
  const regions = await regionRules(options);
  const bundle = await loadBundle(options.bundle ?? configured.path);
  const dataDir = context.makeDataDir();
  const lock = lockDataDir(dataDir);
  const progress = io.progress('parts', paths.length + badPaths.length + limitSamplePaths.length);
  try {
    const report = await teachFiles(
      {
        dataDir,
        recipe: options.recipe,
        ...(options.title === undefined ? {} : { title: options.title }),
        bundle,
        paths,
        badPaths,
        limitSamplePaths,
        grey: options.grey ?? 0,
        regions,
        shots: options.shots ?? null,
        symmetry: options.symmetry,
        position: options.position === true ? usualTolerance : (options.position ?? null),
        mix: options.mix,
        falseReject: options.falseReject,
        providers: inference.providers,
        threads: inference.threads,
      },
      context,
      () => progress.step(),
    );
    progress.done();
    if (io.json) io.outJson(report);
    else say(context, report, bundle);
  } finally {
    progress.done();
    lock.close();
  }
}

function say(context: Context, report: TeachReport, { manifest }: Bundle): void {
  const { io } = context;
  const { recipe, number: wire, shots, limit, provisional } = report;
  sayDoubts(context, report);
  const model = manifest.bootstrap ? `${manifest.name}, a bootstrap model` : manifest.name;
  io.out(
    `recipe ${recipe} (number ${wire}) taught from ${shots} shots with ${model}: limit ${limit.toFixed(3)}${provisional ? ', provisional' : ''}`,
  );
}

/** What --live takes; of all else the station's configuration (`recipe.teach`) decides. */
const liveOptions = ['recipe', 'good', 'live', 'heldOut', 'keepAll', 'by', 'shots', 'json'];

/** Throws USAGE for an option that would otherwise be passed over in silence. */
function refuseFileOptions(command: Command): void {
  const given = command.options.filter((option) => command.getOptionValueSource(option.attributeName()) === 'cli');
  const wrong = given.find((option) => !liveOptions.includes(option.attributeName()));
  if (wrong === undefined) return;
  throw new VerdictdError(
    'USAGE',
    `teach --live does not take ${wrong.long ?? wrong.flags}: the running station teaches as its configuration (recipe.teach) says. Teach from files with --good DIR, or leave it out.`,
  );
}

export function register(program: Command, context: Context): void {
  const command = program
    .command('teach')
    .description('Teach a product from pictures of good parts: some become the bank, the others set the reject limit.')
    .requiredOption('--recipe <id>', 'recipe to make, or to teach again', slug)
    .option('--good <dir...>', 'good parts: folders or image files')
    .option('--live', 'instead of --good: the next parts of the running station; nothing passes meanwhile (code 606)')
    .option('--held-out <n>', 'with --live: further good parts, only scored, to set the limit by', integer(0, 127), 0)
    .option('--keep-all', 'with --live: keep every shot that the quality gate takes, without asking')
    .option('--by <name>', 'with --live: who does it, for the audit; default: the account')
    .option('--bundle <dir>', 'model; default: the one of the configuration')
    .option('--shots <k>', 'parts in the bank, spread evenly over those given; default: all, up to 16', integer(1, 1000))
    .addOption(
      new Option('--symmetry <kind>', 'positions in which a good part is just as good; all: the 8 rotations and flips')
        .choices(symmetries)
        .default('none'),
    )
    .option(
      '--position [share]',
      `parts always lie alike: what is found this share of the picture's side away from its place is a defect (default ${usualTolerance}); not with --symmetry`,
      number(0.01, mostTolerance),
    )
    .option('--mix <share>', "share of the model's own zero-shot score, beside the bank's; for bundles that have one", number(0, 1), 0)
    .option('--false-reject <share>', 'share of good parts the limit may reject', number(1e-5, 0.5), 0.005)
    .option('--title <text>', 'name for people; default: the id')
    .option('--bad <dir...>', 'known-bad parts: they say how many such parts may escape, and never move the limit')
    .option('--limit-sample <dir...>', 'the worst parts still accepted: the limit is raised until they pass')
    .option('--grey <width>', 'half width of the grey zone around the limit, in score: such parts are UNDECIDED', number(0, 1000));
  addRegionOptions(command).action(async (options: Options) => {
    if (options.live === true) refuseFileOptions(command);
    if ((options.live === true) === (options.good !== undefined)) {
      throw new VerdictdError('USAGE', 'teach takes good parts from files or from the running station: give --good DIR, or --live.');
    }
    if (options.live === true) await teachLive(context, { ...options, shots: options.shots ?? liveShots, heldOut: options.heldOut ?? 0 });
    else await run(context, options);
  });
}
