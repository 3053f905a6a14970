/**
 * Teaching: from a handful of good parts to a recipe with a bank and a limit. Same parts, same order: the same bytes.
 * Some parts become shots (what the bank knows), the others are held out and say where the limit must lie.
 */
import { VerdictdError } from '../errors';
import { prepareRegions, type RegionRule, scoreRegions } from '../inspect/regions';
import { bankGraph, bankSettings, learnTap, thinned } from './bank';
import { median } from './calibrate';
import { Draft } from './draft';
import { type Escape, escapeOf, escapeText, escapeWarnings, raiseFor, type Scored } from './escape';
import { limitByPromise } from './limit';
import { learnMix, type Mix, mixed } from './mix';
import { checkOptions, type TeachOptions } from './options';
import { leastAlike, outliers, type Standing } from './outlier';
import type { Recipe } from './recipe';
import { type ScratchRunner, scaleOfShots, scoresByRegions } from './shot_scale';
import type { GoodPart } from './shots';
import { type Shot, Taking } from './taking';

export type { TeachOptions } from './options';

/** What teaching needs of the world. */
export interface TeachDeps {
  /**
   * Patch tokens of one tensor, one array a tap in the manifest's order; then, where the bundle gives one, its logit [1]. The tensor may be
   * taken away.
   */
  embed(tensor: Float32Array): Promise<readonly Float32Array[]>;
  /** Runs banks: see BankRunner. `model`: its bytes; without, `name` is the path of its file. */
  bank: ScratchRunner & { open(name: string, model?: Uint8Array): Promise<void> };
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
  /** How far each shot lies from the others; empty below three shots. See outlier.ts. */
  standing: ({ name: string } & Standing)[];
  /** Names of the shots to look at again whatever was found, the oddest first; empty below four shots. */
  lookAgain: string[];
  /** What the known-bad parts say; null without any. */
  escape: Escape | null;
}

export interface Taught {
  report: TeachReport;
  recipe: Recipe;
  /** Scores of the good parts that are not in the bank. */
  heldOut: number[];
}

/**
 * Teaches or re-teaches a recipe and puts it in the store. Throws TEACH_REFUSED with a sentence where the parts cannot make one,
 * DATA_DIR_UNUSABLE where its files cannot be written, ABORTED by the signal; then nothing is left behind and the recipe that was there
 * stays.
 */
export async function teach(options: TeachOptions, deps: TeachDeps): Promise<Taught> {
  checkOptions(options);
  const draft = await Draft.begin(options.dataDir, options.recipe);
  try {
    return await new Teaching(options, deps, draft).run();
  } catch (thrown) {
    await draft.discard();
    throw thrown;
  }
}

class Teaching {
  private readonly taking;
  private readonly warnings: string[] = [];
  private readonly taps;
  private readonly settings;
  private readonly rule: RegionRule | null;

  constructor(
    private readonly options: TeachOptions,
    private readonly deps: TeachDeps,
    private readonly draft: Draft,
  ) {
    this.taking = new Taking(options, { ...deps, draft });
    this.taps = options.bundle.manifest.taps;
    this.settings = bankSettings(options.bundle.manifest);
    const { width, height } = this.settings;
    this.rule = options.regions == null ? null : prepareRegions(options.regions, width, height);
  }

  async run(): Promise<Taught> {
    const { falseReject, grey = 0, bad: badParts = [], limitSamples = [] } = this.options;
    const { shots, rest } = await this.taking.shots();
    const banks = this.taps.map((tap, t) =>
      learnTap(
        tap,
        shots.map(({ copies }) => copies.map((copy) => copy[t] ?? new Float32Array(0))),
        this.settings.distance,
        this.options.position ?? null,
      ),
    );
    const found = await scaleOfShots(banks, shots, this.settings, this.deps.bank, this.deps.signal);
    if (found === null)
      throw new VerdictdError(
        'TEACH_REFUSED',
        `the ${shots.length} shots do not differ at all, or show nothing: no scale can be made from them. Show other good parts`,
      );
    const { scale } = found;
    const logits = shots.map(({ copies }) => copies[0]?.[this.taps.length]?.[0] ?? Number.NaN);
    const mix = this.mixOf(logits, scale.leaveOneOut);
    const kept = thinned(banks);
    const vectors = kept.reduce((sum, bank) => sum + bank.chunks.reduce((rows, chunk) => rows + chunk.count, 0), 0);
    const model = this.draft.setBank(bankGraph(kept, scale.weights, this.settings, mix), vectors);
    const [heldOut = [], samples = [], bad = []] = await this.score([rest, limitSamples, badParts], model);
    const { leaveOneOut } = scale;
    const own = this.rule === null ? leaveOneOut : await scoresByRegions(scale, this.rule, banks, this.settings, this.deps.bank);
    const promised = limitByPromise(
      heldOut.map(({ score }) => score),
      mix === null ? own : own.map((score, i) => mixed(score, logits[i] ?? Number.NaN, mix)),
      falseReject,
    );
    const limit = raiseFor(promised, samples, grey);
    const escapes = escapeOf(bad, limit.value, grey);
    const standing = found.standings.map((one, i) => ({ name: shots[i]?.name ?? '', ...one }));
    this.judge(shots, standing, heldOut, limit.value);
    this.warnings.push(...escapeWarnings(bad, samples, limit.value, grey));
    if (escapes !== null) this.warnings.push(escapeText(escapes));
    if (grey >= limit.value) this.warnings.push(`the grey zone of ${grey} reaches down to 0: no part can pass`);
    if (limit.provisional)
      this.warnings.push(
        `the limit is provisional: a promise of ${falseReject} needs ${limit.goodPartsNeeded} good parts held out, there were ${limit.goodParts}`,
      );
    const recipe = await this.commit(shots, mix, {
      ...limit,
      grey,
      falseReject,
      rule: `${limit.rule}; scale from ${scale.rule}`,
      ...(samples.length === 0 ? {} : { limitSamples: samples.length }),
      ...(escapes === null ? {} : { escape: escapes }),
    });
    const report: TeachReport = {
      recipe: recipe.file.id,
      number: recipe.file.number,
      shots: shots.length,
      bundle: this.options.bundle.sha256,
      limit: limit.value,
      provisional: limit.provisional,
      goodPartsNeeded: limit.goodPartsNeeded,
      warnings: [...this.taking.warnings, ...this.warnings],
      escape: escapes,
      standing,
      lookAgain: leastAlike(standing).map(({ name }) => name),
    };
    return { report, recipe, heldOut: heldOut.map(({ score }) => score) };
  }

  private async commit(shots: readonly Shot[], mix: Mix | null, limit: Recipe['file']['limit']): Promise<Recipe> {
    const { bundle, symmetry, regions = null, position, title, recipe: id, camera = {} } = this.options;
    return await this.draft.commit({
      title: title ?? id,
      created: this.deps.utc(),
      bundle: { name: bundle.manifest.name, sha256: bundle.sha256 },
      symmetry,
      ...(position == null ? {} : { position }),
      ...(mix === null ? {} : { mix }),
      limit,
      ...(regions === null ? {} : { regions }),
      reference: {
        mean: median(shots.map(({ quality }) => quality.mean)),
        sharpness: median(shots.map(({ quality }) => quality.sharpness)),
      },
      camera,
    });
  }

  private mixOf(logits: readonly number[], leaveOneOut: readonly number[]): Mix | null {
    const { mix = 0, bundle } = this.options;
    const { logit } = bundle.manifest.outputs;
    if (mix === 0 || logit === undefined) return null;
    const learned = learnMix(logit, mix, logits, leaveOneOut);
    if (learned !== null) return learned;
    throw new VerdictdError('TEACH_REFUSED', 'the model gave no zero-shot score of the shots that is a number. Run `verdictd doctor`');
  }

  /** Calibrated scores of parts that are not in the bank, as the station would give them; one list a set. */
  private async score(sets: readonly (readonly GoodPart[])[], model: Uint8Array): Promise<Scored[][]> {
    if (sets.every((parts) => parts.length === 0)) return [];
    const { bank } = this.deps;
    await bank.open('bank', model);
    try {
      const all: Scored[][] = [];
      for (const parts of sets) {
        const scores: Scored[] = [];
        for (const part of parts) {
          const tokens = await this.taking.seen(part);
          if (tokens === null) continue;
          const { score, map } = await bank.run('bank', tokens);
          const own = this.rule === null || map === undefined ? score?.[0] : scoreRegions(map, this.rule).score;
          scores.push({ name: part.name, score: own ?? Number.NaN });
        }
        all.push(scores);
      }
      return all;
    } finally {
      await bank.close('bank');
    }
  }

  private judge(
    shots: readonly Shot[],
    standing: readonly Standing[],
    heldOut: readonly { name: string; score: number }[],
    limit: number,
  ): void {
    this.warnings.push(
      ...outliers(
        shots.map(({ name }) => name),
        standing,
      ),
    );
    for (const { name, score } of heldOut)
      if (score > limit) this.warnings.push(`${name} lies above the limit (${score.toFixed(2)} > ${limit.toFixed(2)}): is it a good part?`);
    if (shots.length === 1) this.warnings.push('one shot alone: its scale does not know how good parts differ. Show at least 4');
  }
}
