/**
 * Teaching: from a handful of good parts to a recipe with a bank and a limit. Same parts, same order: the same bytes.
 * Some parts become shots (what the bank knows), the others are held out and say where the limit must lie.
 */
import { join } from 'node:path';
import type { Bundle } from '../bundle/manifest';
import { VerdictdError } from '../errors';
import { NothingLeft, prepareRegions, type RegionRule, type RegionRules, scoreRegions } from '../inspect/regions';
import { bankGraph, bankSettings, distancesGraph, learnTap, mapGraph, type TapBank, thinned } from './bank';
import { leaveOneOut, median, type Scale, selfSimilarity } from './calibrate';
import { Draft } from './draft';
import { type Escape, escapeOf, escapeText, escapeWarnings, raiseFor, type Scored } from './escape';
import { limitByPromise } from './limit';
import { type Look, oddFraming } from './look';
import { learnMix, type Mix, mixed } from './mix';
import { outliers, type Standing, standings } from './outlier';
import { mostTolerance } from './position';
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
  /** Half width of the grey zone, in calibrated score; default 0: none. */
  grey?: number;
  /** Known-bad parts: they say how many may escape, and never move the limit. */
  bad?: readonly GoodPart[];
  /** The worst parts still accepted: the limit is raised until they pass. */
  limitSamples?: readonly GoodPart[];
  /** Share of the model's zero-shot score, 0..1 (mix.ts); default 0. Above 0 the bundle must give a logit. */
  mix?: number;
  /** Parts always lie alike, to this share of the picture's side (position.ts); not with a symmetry. Null or absent: they may lie anywhere. */
  position?: number | null;
  /** Default: the bank's own score. */
  regions?: RegionRules | null;
  /** Camera values read back (SFNC names); none where the pictures came from files. */
  camera?: Recipe['file']['camera'];
}

/** What teaching needs of the world. */
export interface TeachDeps {
  /**
   * Patch tokens of one tensor, one array a tap in the manifest's order; then, where the bundle gives one, its logit [1]. The tensor may be
   * taken away.
   */
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
  /** How far each shot lies from the others, 1 the median shot; empty below three shots. See outlier.ts. */
  standing: ({ name: string } & Standing)[];
  /** What the known-bad parts say; null without any. */
  escape: Escape | null;
}

export const mostShots = 16;
const workName = 'distances.onnx';
const mapName = 'map.onnx';

interface Shot {
  name: string;
  quality: Sample['quality'];
  look: Look;
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

function checkOptions(options: TeachOptions): void {
  const { parts, shots, symmetry, bundle, falseReject, grey = 0, regions = null, mix = 0, position = null } = options;
  const refuse = (what: string): never => {
    throw new VerdictdError('TEACH_REFUSED', what);
  };
  if (parts.length === 0) refuse('there is no picture of a good part; show at least one');
  if (shots !== null && !(Number.isSafeInteger(shots) && shots >= 1)) refuse(`${shots} shots cannot make a recipe; expected at least 1`);
  if (!(falseReject > 0 && falseReject <= 0.5))
    refuse(`a false-reject promise of ${falseReject} cannot be kept; expected more than 0 and at most 0.5`);
  if (!(Number.isFinite(grey) && grey >= 0)) refuse(`a grey zone of ${grey} is none; expected 0 or more`);
  const { taps, input, name, outputs } = bundle.manifest;
  if (!(mix >= 0 && mix <= 1)) refuse(`a share of ${mix} for the zero-shot score is none; expected 0 to 1`);
  if (mix > 0 && outputs.logit === undefined)
    refuse(`the bundle ${name} has no zero-shot score to mix in (its manifest names no logit). Teach with mix 0, or with a CLIP bundle`);
  if (position !== null && !(position > 0 && position <= mostTolerance))
    refuse(`a place known to ${position} of the picture is none; expected more than 0 and at most ${mostTolerance}`);
  if (position !== null && symmetry !== 'none')
    refuse(`parts under the symmetry ${symmetry} do not always lie alike: position and symmetry exclude each other`);
  try {
    if (regions !== null) prepareRegions(regions, input.width, input.height);
  } catch (thrown) {
    if (!(thrown instanceof NothingLeft)) throw thrown;
    refuse(`${thrown.message}. Give other region rules`);
  }
  const [first] = taps;
  if (first === undefined) refuse(`the bundle ${name} gives no patch tokens, so no bank can be made with it. Use another bundle`);
  if (taps.some(({ rows, columns }) => rows !== first?.rows || columns !== first.columns))
    refuse(`the taps of the bundle ${name} have different grids; expected one grid for all`);
  if (turns(symmetry) && input.width !== input.height)
    refuse(`symmetry ${symmetry} turns pictures, and the bundle's input is not square. Use none or flips`);
}

class Teaching {
  private readonly reader;
  private readonly warnings: string[] = [];
  private standings: Standing[] = [];
  private readonly taps;
  private readonly settings;
  private readonly rule: RegionRule | null;

  constructor(
    private readonly options: TeachOptions,
    private readonly deps: TeachDeps,
    private readonly draft: Draft,
  ) {
    this.reader = new Reader(options.bundle.manifest.input);
    this.taps = options.bundle.manifest.taps;
    this.settings = bankSettings(options.bundle.manifest);
    const { width, height } = this.settings;
    this.rule = options.regions == null ? null : prepareRegions(options.regions, width, height);
  }

  async run(): Promise<{ report: TeachReport; recipe: Recipe; heldOut: number[] }> {
    const { bundle, falseReject, symmetry, recipe: id } = this.options;
    const { shots, rest } = await this.takeShots();
    const banks = this.taps.map((tap, t) =>
      learnTap(
        tap,
        shots.map(({ copies }) => copies.map((copy) => copy[t] ?? new Float32Array(0))),
        this.settings.distance,
        this.options.position ?? null,
      ),
    );
    const scale = await this.scale(banks, shots);
    const logits = shots.map(({ copies }) => copies[0]?.[this.taps.length]?.[0] ?? Number.NaN);
    const mix = this.mixOf(logits, scale);
    const kept = thinned(banks);
    const vectors = kept.reduce((sum, bank) => sum + bank.chunks.reduce((rows, chunk) => rows + chunk.count, 0), 0);
    const bankPath = await this.draft.setBank(bankGraph(kept, scale.weights, this.settings, mix), vectors);
    const { bad: badParts = [], limitSamples = [], grey = 0, regions = null } = this.options;
    await this.deps.bank.open(bankPath);
    let heldOut: Scored[];
    let samples: Scored[];
    let bad: Scored[];
    try {
      heldOut = await this.score(rest, bankPath);
      samples = await this.score(limitSamples, bankPath);
      bad = await this.score(badParts, bankPath);
    } finally {
      await this.deps.bank.close(bankPath);
    }
    const own = this.rule === null ? scale.leaveOneOut : await this.byRegions(scale, this.rule);
    const promised = limitByPromise(
      heldOut.map(({ score }) => score),
      mix === null ? own : own.map((score, i) => mixed(score, logits[i] ?? Number.NaN, mix)),
      falseReject,
    );
    const limit = raiseFor(promised, samples, grey);
    const escapes = escapeOf(bad, limit.value, grey);
    this.judge(shots, heldOut, limit.value);
    this.warnings.push(...escapeWarnings(bad, samples, limit.value, grey));
    if (escapes !== null) this.warnings.push(escapeText(escapes));
    if (grey >= limit.value) this.warnings.push(`the grey zone of ${grey} reaches down to 0: no part can pass`);
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
      ...(this.options.position == null ? {} : { position: this.options.position }),
      ...(mix === null ? {} : { mix }),
      limit: {
        ...limit,
        grey,
        falseReject,
        rule: `${limit.rule}; scale from ${scale.rule}`,
        ...(samples.length === 0 ? {} : { limitSamples: samples.length }),
        ...(escapes === null ? {} : { escape: escapes }),
      },
      ...(regions === null ? {} : { regions }),
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
      escape: escapes,
      standing: this.standings.map((standing, i) => ({ name: shots[i]?.name ?? '', ...standing })),
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
    return { name: part.name, quality: sample.quality, look: sample.look, copies };
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
    this.warnings.push(...oddShots(shots), ...oddFraming(shots));
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

  private mixOf(logits: readonly number[], { leaveOneOut: own }: Scale): Mix | null {
    const { mix = 0, bundle } = this.options;
    const { logit } = bundle.manifest.outputs;
    if (mix === 0 || logit === undefined) return null;
    const learned = learnMix(logit, mix, logits, own);
    if (learned !== null) return learned;
    throw new VerdictdError('TEACH_REFUSED', 'the model gave no zero-shot score of the shots that is a number. Run `verdictd doctor`');
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
      const { top } = this.settings;
      const scale = leaveOneOut(distances, banks.length, patches, top);
      if (scale !== null)
        this.standings = standings(
          shots.map(({ copies }) => copies[0] ?? []),
          this.taps.map(({ dim }) => dim),
          scale.leaveOneOut,
        );
      return scale;
    } finally {
      await bank.close(path);
      await this.draft.drop(workName);
    }
  }

  /** Calibrated scores of parts that are not in the bank, as the station would give them. The bank is open. */
  private async score(parts: readonly GoodPart[], bankPath: string): Promise<Scored[]> {
    const { bank, progress, signal } = this.deps;
    const scores: Scored[] = [];
    for (const part of parts) {
      signal?.throwIfAborted();
      const sample = await this.reader.read(part);
      progress?.();
      if (sample === null) continue;
      const { score, map } = await bank.run(bankPath, await this.embed(Float32Array.from(sample.tensor)));
      const own = this.rule === null || map === undefined ? score?.[0] : scoreRegions(map, this.rule).score;
      scores.push({ name: part.name, score: own ?? Number.NaN });
    }
    return scores;
  }

  /** The shots' leave-one-out scores under the region rules. */
  private async byRegions({ patches }: Scale, rule: RegionRule): Promise<number[]> {
    const { bank } = this.deps;
    const [tap] = this.taps;
    if (tap === undefined) throw new Error('a bank without taps');
    const path = join(this.draft.dir, mapName);
    mapGraph(tap, this.settings).writeFile(path);
    await bank.open(path);
    try {
      const scores: number[] = [];
      for (const own of patches) {
        const { map } = await bank.run(path, [own]);
        scores.push(map === undefined ? Number.NaN : scoreRegions(map, rule).score);
      }
      return scores;
    } finally {
      await bank.close(path);
      await this.draft.drop(mapName);
    }
  }

  private judge(shots: readonly Shot[], heldOut: readonly { name: string; score: number }[], limit: number): void {
    this.warnings.push(
      ...outliers(
        shots.map(({ name }) => name),
        this.standings,
      ),
    );
    for (const { name, score } of heldOut)
      if (score > limit) this.warnings.push(`${name} lies above the limit (${score.toFixed(2)} > ${limit.toFixed(2)}): is it a good part?`);
    if (shots.length === 1) this.warnings.push('one shot alone: its scale does not know how good parts differ. Show at least 4');
  }
}
