/** `verdictd model`: bundles from CLIP weights, or from another tool's ONNX; what is in one; whether it still holds. */
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type BuildDeps, type Built, buildBundle } from '../build/bundle';
import { importModel } from '../build/import';
import { type MethodName, methodNames } from '../build/method';
import { type Precision, precisions } from '../build/weights';
import { bundlesDir, installBundle } from '../bundle/install';
import { loadBundle } from '../bundle/load';
import type { Bundle } from '../bundle/manifest';
import { systemClock } from '../clock';
import type { Loaded } from '../inspect/protocol';
import { makeEngine, tensorOfFile } from '../make_engine';
import { checkModel } from '../onnx/check';
import { listRecipes } from '../recipe/store';
import type { Context } from './context';
import { integer, number } from './options';

interface BuildOptions {
  method: MethodName;
  clip: string;
  adapter?: string;
  imageSize?: number;
  dpamLayer?: number;
  featuresList?: number[];
  object?: string;
  texture?: boolean;
  featureSurgery?: boolean;
  tokenizer?: string;
  precision: Precision;
  activation?: 'quickgelu' | 'gelu';
  mapScale: number;
  golden?: string;
  out: string;
}

interface ImportOptions {
  imageSize?: number;
  score?: string;
  map?: string;
  mean: [number, number, number];
  std: [number, number, number];
  golden?: string;
  out: string;
}

const stopWithin = 10_000; // ms: a run in progress ends by itself

/** Block numbers as `6,12,18,24`. */
function blockList(text: string): number[] {
  const blocks = text.split(',').map((part) => (/^\d{1,3}$/.test(part.trim()) ? Number(part) : Number.NaN));
  if (!blocks.every((block) => block >= 1)) throw new InvalidArgumentError('Expected block numbers from 1 on, as 6,12,18,24.');
  return blocks;
}

/** One number for each of red, green and blue, as `0.485,0.456,0.406`. */
function rgb(least: number): (text: string) => [number, number, number] {
  return (text) => {
    const values = text.split(',').map((part) => (/^-?\d*\.?\d+$/.test(part.trim()) ? Number(part) : Number.NaN));
    const [red = Number.NaN, green = Number.NaN, blue = Number.NaN] = values;
    if (values.length !== 3 || !values.every((value) => value >= least && value <= 1000))
      throw new InvalidArgumentError(`Expected three numbers from ${least} to 1000, as 0.485,0.456,0.406.`);
    return [red, green, blue];
  };
}

/** Loads the bundle in the inference worker, as the station does: the golden image must score what the manifest says. */
async function prove(bundle: Bundle, providers: readonly string[], context: Context): Promise<Loaded> {
  const { threads } = context.config().inference;
  const engine = makeEngine({ providers, threads }, { diagnostics: context.diagnostics(), engines: context.engines() });
  try {
    engine.start();
    return await engine.load(bundle, null, context.signal);
  } finally {
    await engine.stop(systemClock.now() + stopWithin);
  }
}

/** Stages on a terminal, nothing in a pipe; the CPU proves what was built, whatever this machine's station uses. */
function buildDeps(context: Context, label: string): BuildDeps & { done(): void } {
  let progress = context.io.progress(label, null);
  return {
    tensor: tensorOfFile,
    prove: async (bundle) => void (await prove(bundle, ['cpu'], context)),
    stage: (what) => {
      progress.done();
      progress = context.io.progress(`${label}: ${what}`, null);
    },
    done: () => progress.done(),
  };
}

function tell({ io }: Context, built: Built): void {
  if (io.json) {
    io.outJson(built);
    return;
  }
  for (const warning of built.warnings) io.err(`warning: ${warning}`);
  io.out(
    `${built.out}: ${built.method}, ${built.inputSize} px, bundle ${built.sha256.slice(0, 8)}, golden score ${built.golden.score.toFixed(4)}`,
  );
}

async function build(context: Context, options: BuildOptions): Promise<void> {
  const deps = buildDeps(context, options.method);
  try {
    const built = await buildBundle(
      {
        method: options.method,
        clip: options.clip,
        adapter: options.adapter ?? null,
        tokenizer: options.tokenizer ?? null,
        precision: options.precision,
        activation: options.activation ?? null,
        golden: options.golden ?? null,
        out: options.out,
        options: {
          imageSize: options.imageSize ?? null,
          dpamLayer: options.dpamLayer ?? null,
          featuresList: options.featuresList ?? null,
          object: options.object ?? null,
          texture: options.texture ?? false,
          featureSurgery: options.featureSurgery ?? false,
          mapScale: options.mapScale,
        },
        signal: context.signal,
      },
      deps,
    );
    deps.done();
    tell(context, built);
  } finally {
    deps.done();
  }
}

async function bring(context: Context, file: string, options: ImportOptions): Promise<void> {
  const deps = buildDeps(context, 'import');
  try {
    const built = await importModel(
      {
        model: file,
        out: options.out,
        imageSize: options.imageSize ?? null,
        scoreName: options.score ?? null,
        mapName: options.map ?? null,
        mean: options.mean,
        std: options.std,
        golden: options.golden ?? null,
        signal: context.signal,
      },
      deps,
    );
    deps.done();
    tell(context, built);
  } finally {
    deps.done();
  }
}

async function show(context: Context, dir: string | undefined): Promise<void> {
  const { io } = context;
  const bundle = await loadBundle(dir ?? context.config().bundle.path);
  const { manifest, sha256 } = bundle;
  const { operators, weights, bytes, opset } = checkModel(bundle.modelPath);
  if (io.json) {
    io.outJson({ bundle: bundle.dir, sha256, ...manifest, model: { opset, weights, bytes, operators } });
    return;
  }
  const { input, taps, golden } = manifest;
  io.out(
    `${manifest.name} ${manifest.version}, method ${manifest.method}${manifest.bootstrap ? ' (bootstrap model)' : ''}, bundle ${sha256}`,
  );
  io.out(`input ${input.width} x ${input.height} px; ${(bytes / 1e6).toFixed(1)} MB, ${weights} weights, opset ${opset}`);
  for (const [key, value] of Object.entries(manifest.settings))
    io.out(`setting ${key}: ${Array.isArray(value) ? value.join(', ') : value}`);
  for (const tap of taps) io.out(`tap ${tap.name}: ${tap.rows} x ${tap.columns} patches of ${tap.dim}`);
  for (const source of manifest.sources) io.out(`made from ${source.name} ${source.sha256}`);
  io.out(`golden image ${golden.image}: ${golden.score} within ${golden.tolerance}`);
}

async function verify(context: Context, dir: string | undefined): Promise<void> {
  const { io } = context;
  const bundle = await loadBundle(dir ?? context.config().bundle.path);
  const { golden } = bundle.manifest;
  const loaded = await prove(bundle, context.config().inference.providers, context);
  const result = {
    bundle: bundle.dir,
    sha256: bundle.sha256,
    ok: true,
    provider: loaded.provider,
    refused: loaded.refusals,
    golden: { score: loaded.golden, expected: golden.score, tolerance: golden.tolerance },
  };
  if (io.json) io.outJson(result);
  else {
    for (const { provider, reason } of loaded.refusals) io.err(`warning: ${provider} refused: ${reason}`);
    io.out(`${bundle.dir}: holds on ${loaded.provider}; golden image ${loaded.golden.toFixed(5)}, expected ${golden.score.toFixed(5)}`);
  }
}

/** Copies, proves, switches; says which recipes were taught with another bundle and whether the configuration names the link. */
async function install(context: Context, dir: string): Promise<void> {
  const { io } = context;
  const dataDir = context.makeDataDir();
  const { inference, bundle: configured } = context.config();
  const source = await loadBundle(dir);
  const { bundle, link, previous } = await installBundle(
    source,
    dataDir,
    async (placed) => void (await prove(placed, inference.providers, context)),
  );
  const recipes = (await listRecipes(dataDir))
    .filter(({ file }) => file !== null && file.bundle.sha256 !== bundle.sha256)
    .map(({ id }) => id);
  const warnings: string[] = [];
  if (configured.path === null || resolve(configured.path) !== link) warnings.push(`the station takes it only when bundle.path is ${link}`);
  if (recipes.length > 0) warnings.push(`taught with another bundle, to be taught again: ${recipes.join(', ')}`);
  if (io.json) {
    io.outJson({ bundle: bundle.dir, sha256: bundle.sha256, link, previous, warnings });
    return;
  }
  for (const warning of warnings) io.err(`warning: ${warning}`);
  io.out(
    `${bundle.dir}: proven and installed; the station takes it at its next start. Back again: verdictd model install ${join(bundlesDir(dataDir), 'previous')}`,
  );
}

export function register(program: Command, context: Context): void {
  const model = program.command('model').description('Bundles: make, look into, check.');
  model
    .command('build')
    .description('Make a bundle from CLIP weights and a checkpoint: it computes what the code of the method computes.')
    .addOption(new Option('--method <name>', 'anomalyclip is AD-CLIP too').choices(methodNames).makeOptionMandatory())
    .requiredOption('--clip <file>', "CLIP weights: OpenAI's .pt, or open_clip's or HuggingFace's, as .pt or .safetensors")
    .option('--adapter <file>', 'what was trained: prompt learner, linear layers, adapters (.pth, .ckpt, .safetensors)')
    .option('--image-size <n>', "side of the model's input, px; default: the authors'", integer(8, 4096))
    .option('--dpam-layer <n>', 'the last n - 1 blocks get a V-V path; default: 20, or all blocks where there are fewer', integer(1, 200))
    .option('--features-list <a,b>', "blocks whose tokens make the map, counted from 1; default: the authors'", blockList)
    .option('--object <name>', 'what the pictures show, for methods whose prompts name it')
    .option('--texture', 'the object is a surface without a shape of its own (leather, carpet): words for those, with anovl')
    .option('--feature-surgery', "the map without what both texts have in common, as CLIP Surgery's; with clip")
    .option('--tokenizer <file>', "CLIP's vocabulary: bpe_simple_vocab_16e6.txt.gz or tokenizer.json; with --object")
    .addOption(
      new Option('--precision <kind>', 'arithmetic of the graph; int8 is faster on a CPU, and runs nowhere else')
        .choices(precisions)
        .default('fp32'),
    )
    .addOption(new Option('--activation <kind>', 'where the file does not tell').choices(['quickgelu', 'gelu']))
    .option('--map-scale <n>', 'factor on the map: 2 where a limit was set with a list of two blocks that were one', number(0.01, 100), 1)
    .option('--golden <file>', 'picture that proves the bundle wherever it runs; default: a drawn one')
    .requiredOption('--out <dir>', 'folder of the bundle; a bundle that is there is replaced when the new one is proven')
    .action((options: BuildOptions) => build(context, options));
  model
    .command('inspect')
    .description('Show what a bundle holds: method, settings, sources, every file checked against its hash.')
    .argument('[bundle]', 'folder; default: the bundle of the configuration')
    .action((dir: string | undefined) => show(context, dir));
  model
    .command('verify')
    .description('Check a bundle as the station does before it loads it: hashes, safety walk, golden image on the providers configured.')
    .argument('[bundle]', 'folder; default: the bundle of the configuration')
    .action((dir: string | undefined) => verify(context, dir));
  model
    .command('install')
    .description(
      'Copy a bundle into the data directory, prove it on the providers configured, and make it the one in use from the next start on.',
    )
    .argument('<bundle>', 'folder; DATA/bundles/previous goes back')
    .action((dir: string) => install(context, dir));
  model
    .command('import')
    .description('Make a bundle of an ONNX anomaly model from elsewhere, as anomalib exports them: picture in, score and map out.')
    .argument('<model>', 'ONNX file, self-contained')
    .option('--image-size <n>', 'side of the picture, px, where the model leaves it open', integer(8, 4096))
    .option('--score <name>', 'its output that is the score; default: pred_score, else the largest value of the map')
    .option('--map <name>', 'its output that is the map; default: anomaly_map')
    .option(
      '--mean <r,g,b>',
      'taken from each colour, of values 0..1; default: nothing, as anomalib normalises inside',
      rgb(-1000),
      [0, 0, 0],
    )
    .option('--std <r,g,b>', 'each colour is divided by', rgb(1e-6), [1, 1, 1])
    .option('--golden <file>', 'picture that proves the bundle wherever it runs; default: a drawn one')
    .requiredOption('--out <dir>', 'folder of the bundle; a bundle that is there is replaced when the new one is proven')
    .action((file: string, options: ImportOptions) => bring(context, file, options));
}
