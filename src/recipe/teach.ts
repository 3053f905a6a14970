/**
 * Teaching: from a handful of good parts to a recipe with a bank and a limit. Same parts, same order: the same bytes.
 * Some parts become shots (what the bank knows), the others are held out and say where the limit must lie.
 */
import { join } from 'node:path';
import type { Bundle } from '../bundle/manifest';
import { VerdictdError } from '../errors';
import { bankGraph, bankSettings, distancesGraph, learnTap, type TapBank } from './bank';
import { leaveOneOut, median, type Scale, selfSimilarity } from './calibrate';
import { Draft } from './draft';
import { limitByPromise } from './limit';
import type { Recipe, Symmetry } from './recipe';
import { encodeShot, type GoodPart, oddShots, Reader, type Sample, spread } from './shots';
import { turns, variants } from './symmetry';

export interface TeachOptions {
  dataDir: string;
  recipe: string; // id
  title?: string;
  bundle: Bundle;
  /** Good parts in a fixed order. */
  parts: readonly GoodPart[];
  /** How many become shots; null: all, up to 16. */
  shots: number | null;
  symmetry: Symmetry;
  falseReject: number; // 0..0.5
  /** Camera values read back (SFNC names); none where the pictures came from files. */
  camera?: Recipe['file']['camera'];
}

/** What teaching needs of the world. */
export interface TeachDeps {
  /** Patch tokens of one tensor, one array a tap in the manifest's order. The tensor may be taken away. */
  embed(tensor: Float32Array): Promise<readonly Float32Array[]>;
  /** Runs the bank: see BankRunner. */
  bank: {
    open(path: string): Promise<void>;
    run(path: string, tokens: readonly Float32Array[]): Promise<Record<string, Float32Array>>;
    close(path: string): Promise<void>;
  };
  /** UTC now, a label. */
  utc(): string;
  /** Called after each part that was looked at. */
  progress?: () => void;
  signal?: AbortSignal;
}

/** As `verdictd teach --json` says it. */
export interface TeachReport {
  recipe: string;
  number: number;
  shots: number;
  bundle: string; // SHA-256 of the manifest
  limit: number;
  provisional: boolean;
  goodPartsNeeded: number;
  warnings: string[];
}

export const mostShots = 16;
/** A shot that scores this much more than the median shot does not look like the others. */
const outlier = 1.6;
const workName = 'distances.onnx';

interface Shot {
  name: string;
  quality: Sample['quality'];
  copies: Float32Array[][]; // [symmetry][tap]
}

/**
 * Teaches or re-teaches a recipe and puts it in the store. Throws TEACH_REFUSED with a sentence where the parts cannot make one,
 * ABORTED by the signal; then nothing is left behind and the recipe that was there stays.
 */
export async function teach(options: TeachOptions, deps: TeachDeps): Promise<{ report: TeachReport; recipe: Recipe; heldOut: number[] }> {
  checkOptions(options);
  const draft = await Draft.begin(options.dataDir, options.recipe);
  try {
    return await new Teaching(options, deps, draft).run();
  } catch (thrown) {
    await draft.discard();
    throw thrown;
  }
}

function checkOptions({ parts, shots, symmetry, bundle, falseReject }: TeachOptions): void {
  const refuse = (what: string): never => {
    throw new VerdictdError('TEACH_REFUSED', what);
  };
  if (parts.length === 0) refuse('there is no picture of a good part; show at least one');
  if (shots !== null && !(Number.isSafeInteger(shots) && shots >= 1)) refuse(`${shots} shots cannot make a recipe; expected at least 1`);
  if (!(falseReject > 0 && falseReject <= 0.5))
    refuse(`a false-reject promise of ${falseReject} cannot be kept; expected more than 0 and at most 0.5`);
  const { taps, input, name } = bundle.manifest;
  const [first] = taps;
  if (first === undefined) refuse(`the bundle ${name} gives no patch tokens, so no bank can be made with it. Use another bundle`);
  if (taps.some(({ rows, columns }) => rows !== first?.rows || columns !== first.columns))
    refuse(`the taps of the bundle ${name} have different grids; expected one grid for all`);
  if (turns(symmetry) && input.width !== input.height)
    refuse(`symmetry ${symmetry} turns pictures, and the bundle's input is not square. Use none or flips`);
}

class Teaching {
  private readonly reader = new Reader();
  private readonly warnings: string[] = [];
  private readonly taps;
  private readonly settings;

  constructor(
    private readonly options: TeachOptions,
    private readonly deps: TeachDeps,
    private readonly draft: Draft,
  ) {
    this.taps = options.bundle.manifest.taps;
    this.settings = bankSettings(options.bundle.manifest);
  }

  async run(): Promise<{ report: TeachReport; recipe: Recipe; heldOut: number[] }> {
    const { bundle, falseReject, symmetry, recipe: id } = this.options;
    const { shots, rest } = await this.takeShots();
    const banks = this.taps.map((tap, t) =>
      learnTap(
        tap,
        shots.map(({ copies }) => copies.map((copy) => copy[t] ?? new Float32Array(0))),
        this.settings.distance,
      ),
    );
    const scale = await this.scale(banks, shots);
    const vectors = banks.reduce((sum, bank) => sum + bank.chunks.reduce((rows, chunk) => rows + chunk.count, 0), 0);
    const bankPath = await this.draft.setBank(bankGraph(banks, scale.weights, this.settings), vectors);
    const heldOut = await this.scoreHeldOut(rest, bankPath);
    const limit = limitByPromise(
      heldOut.map(({ score }) => score),
      scale.leaveOneOut,
      falseReject,
    );
    this.judge(shots, scale, heldOut, limit.value);
    if (limit.provisional)
      this.warnings.push(
        `the limit is provisional: a promise of ${falseReject} needs ${limit.goodPartsNeeded} good parts held out, there were ${limit.goodParts}`,
      );
    const qualities = shots.map(({ quality }) => quality);
    const recipe = await this.draft.commit({
      title: this.options.title ?? id,
      created: this.deps.utc(),
      bundle: { name: bundle.manifest.name, sha256: bundle.sha256 },
      symmetry,
      limit: { ...limit, grey: 0, falseReject, rule: `${limit.rule}; scale from ${scale.rule}` },
      reference: { mean: median(qualities.map(({ mean }) => mean)), sharpness: median(qualities.map(({ sharpness }) => sharpness)) },
      camera: this.options.camera ?? {},
    });
    const report: TeachReport = {
      recipe: id,
      number: recipe.file.number,
      shots: shots.length,
      bundle: bundle.sha256,
      limit: limit.value,
      provisional: limit.provisional,
      goodPartsNeeded: limit.goodPartsNeeded,
      warnings: [...this.reader.warnings, ...this.warnings],
    };
    return { report, recipe, heldOut: heldOut.map(({ score }) => score) };
  }

  /** Shots spread evenly over the usable parts; a part that cannot be used gives its place to another. */
  private async takeShots(): Promise<{ shots: Shot[]; rest: GoodPart[] }> {
    const wanted = this.options.shots ?? mostShots;
    let candidates = [...this.options.parts];
    const taken = new Map<GoodPart, Shot>();
    for (;;) {
      const free = candidates.filter((part) => !taken.has(part));
      const missing = wanted - taken.size;
      if (missing <= 0 || free.length === 0) break;
      for (const index of spread(free.length, missing)) {
        const part = free[index];
        if (part === undefined) continue;
        const shot = await this.takeShot(part);
        if (shot === null) candidates = candidates.filter((other) => other !== part);
        else taken.set(part, shot);
      }
    }
    const order = this.options.parts.filter((part) => taken.has(part));
    const shots = order.flatMap((part) => taken.get(part) ?? []);
    this.checkShots(shots, wanted);
    return { shots, rest: candidates.filter((part) => !taken.has(part)) };
  }

  private async takeShot(part: GoodPart): Promise<Shot | null> {
    this.deps.signal?.throwIfAborted();
    const { bundle, symmetry } = this.options;
    const { input } = bundle.manifest;
    const sample = await this.reader.read(part);
    this.deps.progress?.();
    if (sample === null) return null;
    const { width, height } = sample.picture ?? input;
    if (turns(symmetry) && width !== height)
      this.warnings.push(
        `${part.name} is ${width} x ${height}: turned by 90 degrees it is stretched. Set a square region of interest, or use symmetry flips`,
      );
    const shot = await encodeShot(sample, input);
    await this.draft.addShot(shot.bytes, shot.extension, part.name);
    const copies: Float32Array[][] = [];
    for (const tensor of variants(Float32Array.from(sample.tensor), input.width, symmetry)) copies.push([...(await this.embed(tensor))]);
    return { name: part.name, quality: sample.quality, copies };
  }

  private checkShots(shots: readonly Shot[], wanted: number): void {
    const { parts } = this.options;
    if (shots.length === 0) {
      const first = this.reader.warnings[0] ?? 'none can be used';
      throw new VerdictdError('TEACH_REFUSED', `none of the ${parts.length} pictures can be used (${first}). Show other good parts`, {
        details: this.reader.warnings,
      });
    }
    if (shots.length === 1 && this.reader.duplicates > 0 && this.reader.duplicates === parts.length - 1)
      throw new VerdictdError(
        'TEACH_REFUSED',
        `all ${parts.length} pictures are the same picture: nothing can be learned about how good parts differ. Show other good parts`,
      );
    if (shots.length < wanted && this.options.shots !== null)
      this.warnings.push(`${shots.length} shots instead of ${wanted}: there were no more usable pictures`);
    this.warnings.push(...oddShots(shots));
  }

  /** Tokens of one tensor. Throws TEACH_REFUSED where the model gives other than the manifest says, or NaN. */
  private async embed(tensor: Float32Array): Promise<readonly Float32Array[]> {
    this.deps.signal?.throwIfAborted();
    const tokens = await this.deps.embed(tensor);
    const sound = this.taps.every(
      ({ rows, columns, dim }, t) => tokens[t]?.length === rows * columns * dim && tokens[t].every(Number.isFinite),
    );
    if (!sound)
      throw new VerdictdError(
        'TEACH_REFUSED',
        'the model gave patch tokens that are not numbers, or not as many as its manifest says. Run `verdictd doctor`',
      );
    return tokens;
  }

  private async scale(banks: readonly TapBank[], shots: readonly Shot[]): Promise<Scale> {
    const { top } = this.settings;
    const scale = shots.length === 1 ? selfSimilarity(banks, top) : await this.scaleByOthers(banks, shots);
    if (scale !== null) return scale;
    throw new VerdictdError(
      'TEACH_REFUSED',
      `the ${shots.length} shots do not differ at all, or show nothing: no scale can be made from them. Show other good parts`,
    );
  }

  private async scaleByOthers(banks: readonly TapBank[], shots: readonly Shot[]): Promise<Scale | null> {
    const { bank, signal } = this.deps;
    const path = join(this.draft.dir, workName);
    distancesGraph(banks).writeFile(path);
    await bank.open(path);
    try {
      const distances: Float32Array[] = [];
      for (const { copies } of shots) {
        signal?.throwIfAborted();
        const { distances: own } = await bank.run(path, copies[0] ?? []);
        if (own === undefined) throw new Error('no distances');
        distances.push(own);
      }
      const patches = (this.taps[0]?.rows ?? 0) * (this.taps[0]?.columns ?? 0);
      return leaveOneOut(distances, banks.length, patches, this.settings.top);
    } finally {
      await bank.close(path);
      await this.draft.drop(workName);
    }
  }

  private async scoreHeldOut(rest: readonly GoodPart[], bankPath: string): Promise<{ name: string; score: number }[]> {
    const { bank, progress } = this.deps;
    await bank.open(bankPath);
    try {
      const scores: { name: string; score: number }[] = [];
      for (const part of rest) {
        this.deps.signal?.throwIfAborted();
        const sample = await this.reader.read(part);
        progress?.();
        if (sample === null) continue;
        const { score } = await bank.run(bankPath, await this.embed(Float32Array.from(sample.tensor)));
        scores.push({ name: part.name, score: score?.[0] ?? Number.NaN });
      }
      return scores;
    } finally {
      await bank.close(bankPath);
    }
  }

  private judge(shots: readonly Shot[], scale: Scale, heldOut: readonly { name: string; score: number }[], limit: number): void {
    if (shots.length >= 3)
      shots.forEach(({ name }, i) => {
        const score = scale.leaveOneOut[i] ?? 0;
        if (score > outlier)
          this.warnings.push(
            `${name} does not look like the other shots (score ${score.toFixed(2)}, median 1): if it is not a good part, leave it out and teach again`,
          );
      });
    for (const { name, score } of heldOut)
      if (score > limit) this.warnings.push(`${name} lies above the limit (${score.toFixed(2)} > ${limit.toFixed(2)}): is it a good part?`);
    if (shots.length === 1) this.warnings.push('one shot alone: its scale does not know how good parts differ. Show at least 4');
  }
}
