/**
 * Teaching on the running line: the next parts become shots of a recipe, each with the quality gate's words, and can be thrown out again.
 * No part passes meanwhile (606). What is taught is put in force by commit; until then nothing that was there has changed.
 */

import { join } from 'node:path';
import { tensorOf } from '../camera/pushed';
import { Code } from '../codes';
import type { Config } from '../config/load';
import { cameras } from '../config/schema';
import { VerdictdError } from '../errors';
import type { Engine } from '../inspect/engine';
import { gate } from '../inspect/quality';
import type { Job } from '../line/job';
import type { Report } from '../line/line';
import type { CameraValues, Findings, Frame, Ms, Plan } from '../ports';
import type { Model } from '../preparation';
import { type Look, oddFraming } from '../recipe/look';
import { oddShots, Reader, type Sample } from '../recipe/shots';
import { numberFor, readRecipe, recipesDir } from '../recipe/store';
import type { TeachReport } from '../recipe/teach';
import { Teacher } from '../recipe/teacher';

export interface Lesson {
  recipe: string; // id
  shots: number; // parts that become the bank
  heldOut: number; // further good parts, only scored, to set the limit by
}

/** One part that was shown, as people read it. */
export interface Shot {
  /** From 1; a number is given once. */
  n: number;
  resultId: string;
  /** false: left out by the gate, or thrown out by a person. */
  kept: boolean;
  words: string[];
}

export interface TeachStatus extends Lesson {
  state: 'idle' | 'collecting' | 'complete' | 'building';
  number: number; // the wire's recipeId
  taken: number; // kept so far
  seen: readonly Shot[];
}

export interface TeachingDeps {
  config: Config;
  dataDir: string;
  engine: Engine;
  model: Model;
  /** What the camera takes frames under now; null: nothing yet. */
  frames(): Plan | null;
  /** What the recipe must bring back of the camera, where frames are taken under `asked`. Throws CAMERA_FAILED where it is not up. */
  values(asked: CameraValues, signal: AbortSignal): Promise<CameraValues>;
}

type InProgress = Lesson & { number: number; plan: Plan };

/** Parts of one lesson: what they hold in memory is bounded by it (0.8 MB each at 256 px). */
export const mostParts = 128;
/** Of those shown, the latest that are remembered: more than a person reads. */
const mostSeen = 512;
const idle: TeachStatus = { state: 'idle', recipe: '', shots: 0, heldOut: 0, number: 0, taken: 0, seen: [] };

interface Seen extends Shot {
  sample: Sample | null;
  look: Look | null;
}

let lastPlan = 0;

export class Teaching {
  private lesson: InProgress | null = null;
  /** Of the last lesson: its last parts may still be under way. */
  private plan: Plan | null = null;
  private seen: Seen[] = [];
  private building = false;
  private readonly end = new AbortController();

  constructor(private readonly deps: TeachingDeps) {}

  get running(): boolean {
    return this.lesson !== null;
  }

  /** Judges nothing: what a part is taken under while it is only looked at. Throws TEACH_REFUSED, RECIPE_REFUSED. */
  async start(lesson: Lesson): Promise<Job> {
    if (this.lesson !== null) throw refused(`recipe ${this.lesson.recipe} is being taught already. Commit or abort that first`);
    const { shots, heldOut, recipe } = lesson;
    if (shots < 1 || heldOut < 0 || shots + heldOut > mostParts) {
      throw refused(
        `${shots} shots and ${heldOut} parts held out cannot be taught; expected 1 shot or more, ${mostParts} parts at the most`,
      );
    }
    const { config, dataDir, model } = this.deps;
    const number = await numberFor(dataDir, recipe);
    const { width, height, resize, fit, mean, std } = model.bundle.manifest.input;
    const input = { width, height, resize, fit, mean, std };
    const frames = this.deps.frames();
    // Another product's camera values must not be learned under: the recipe's own, where there is one, else the configuration's.
    const camera = await readRecipe(join(recipesDir(dataDir), recipe), recipe).then(
      (file) => file.camera,
      () => ({}),
    );
    const id =
      frames !== null && JSON.stringify([frames.input, frames.camera]) === JSON.stringify([input, camera]) ? frames.id : --lastPlan;
    const plan: Plan = { id, recipe: { id: recipe, number }, input, camera };
    this.lesson = { ...lesson, number, plan };
    this.plan = plan;
    this.seen = [];
    return {
      plan,
      bundle: model.bundle.sha256,
      simulated: !cameras[config.camera.kind].real,
      limit: { value: 1, grey: 0, provisional: true }, // never used: unjudged
      gate: (quality) => gate(quality, null, config.quality),
      provider: () => this.deps.engine.loaded?.provider ?? '',
      withheld: { code: Code.teaching, detail: `shown to teach recipe ${recipe}`, unjudged: true },
    };
  }

  /** The model alone, so that a part under teaching goes the way of every part; undefined for a plan that is not the lesson's. */
  inspect(frame: Frame, plan: Plan, by: Ms): Promise<Findings> | undefined {
    if (this.plan !== plan) return undefined;
    const { engine, model } = this.deps;
    return engine.run(model.job, { ring: frame.ring, slot: frame.slot }, by, 'none').then(({ score, mapMax, probabilities, ms }) => {
      return { score, mapMax, map: null, probabilities, provider: engine.loaded?.provider ?? '', ms };
    });
  }

  /** A part that was answered; its frame, where there is one, is still leased, and is copied here. */
  async part({ verdict }: Pick<Report, 'verdict'>, frame: Frame | null): Promise<void> {
    const { lesson } = this;
    if (lesson === null || this.building || this.taken() >= lesson.shots + lesson.heldOut) return;
    if (verdict.part.recipe !== lesson.plan.recipe) return; // it came in before the lesson
    const n = (this.seen.at(-1)?.n ?? 0) + 1;
    const seen: Seen = { n, resultId: verdict.part.resultId, kept: false, words: [], sample: null, look: null };
    this.seen.push(seen);
    if (this.seen.length > mostSeen)
      this.seen.splice(
        this.seen.findIndex(({ kept }) => !kept),
        1,
      );
    if (verdict.code !== Code.teaching || frame === null) {
      seen.words.push(`left out: ${verdict.detail || `no picture (${verdict.code})`}`);
      return;
    }
    seen.sample = { tensor: Float32Array.from(tensorOf(frame)), quality: frame.quality, picture: null };
    await this.look();
    if (!seen.kept) seen.sample = null; // a line whose light is off shows such parts all night
  }

  /** Throws a shot out; another part takes its place. Throws TEACH_REFUSED for a number that is not one of the kept. */
  async discard(n: number): Promise<TeachStatus> {
    const shot = this.seen.find((one) => one.n === n && one.kept);
    if (shot === undefined || this.building) throw refused(`there is no shot ${n} to throw out`);
    shot.kept = false;
    shot.sample = null;
    shot.words = ['thrown out'];
    await this.look();
    return this.status();
  }

  /**
   * Builds the recipe in a worker and puts it in the store. Throws TEACH_REFUSED where shots are missing or cannot make one; the lesson
   * goes on then, as where the camera cannot be asked for its values (CAMERA_FAILED).
   */
  async commit(): Promise<TeachReport> {
    const lesson = this.ready();
    const parts = this.samples().map(({ sample, n }) => {
      return { name: `live part ${n}`, read: async () => ({ ...sample, tensor: Float32Array.from(sample.tensor) }) };
    });
    const { config, engine, model, dataDir } = this.deps;
    const { symmetry, falseReject } = config.recipe.teach;
    const teacher = new Teacher(config.inference.threads);
    this.building = true;
    try {
      const camera = await this.deps.values(lesson.plan.camera, this.end.signal);
      teacher.start();
      const { report } = await teacher.teach(
        {
          dataDir,
          recipe: lesson.recipe,
          bundle: model.bundle,
          parts,
          shots: lesson.shots,
          symmetry,
          falseReject,
          camera: camera as Camera,
        },
        { embed: async (data) => (await engine.embed(model.job, { data })).taps.map((tap) => tap.data), signal: this.end.signal },
      );
      this.lesson = null;
      this.seen = [];
      return report;
    } finally {
      this.building = false;
      await teacher.end();
    }
  }

  /** Throws TEACH_REFUSED where `commit` would, for want of a lesson or of shots: asked before anything is written about it. */
  ready(): InProgress {
    const { lesson } = this;
    if (lesson === null || this.building) throw refused(lesson === null ? 'nothing is being taught' : 'the recipe is being built already');
    const { length } = this.samples();
    if (length < lesson.shots) throw refused(`${length} of ${lesson.shots} shots were taken. Show more good parts, or abort`);
    return lesson;
  }

  /** Throws away what was shown. Throws TEACH_REFUSED where nothing is taught, or it is being built. */
  abort(): void {
    if (this.lesson === null || this.building) throw refused(this.building ? 'the recipe is being built; wait' : 'nothing is being taught');
    this.lesson = null;
    this.seen = [];
  }

  status(): TeachStatus {
    const { lesson } = this;
    if (lesson === null) return idle;
    const { recipe, shots, heldOut, number } = lesson;
    const taken = this.taken();
    const state = this.building ? 'building' : taken >= shots + heldOut ? 'complete' : 'collecting';
    const seen = this.seen.map(({ n, resultId, kept, words }) => ({ n, resultId, kept, words }));
    return { state, recipe, shots, heldOut, number, taken, seen };
  }

  stop(): void {
    this.end.abort();
  }

  private samples() {
    return this.seen.flatMap(({ kept, sample, n }) => (kept && sample !== null ? [{ sample, n }] : []));
  }

  private taken(): number {
    return this.seen.filter(({ kept }) => kept).length;
  }

  /** The gate's words on every shot, against those that are kept now: as teaching itself will find them. */
  private async look(): Promise<void> {
    const reader = new Reader(this.deps.model.bundle.manifest.input);
    for (const seen of this.seen) {
      const { sample, n } = seen;
      if (sample === null) continue;
      const before = reader.warnings.length;
      const read = await reader.read({ name: `part ${n}`, read: async () => sample });
      seen.kept = read !== null;
      seen.look = read?.look ?? null;
      seen.words = reader.warnings.slice(before);
    }
    const shots = this.seen.flatMap(({ sample, look, n }) =>
      sample === null || look === null ? [] : [{ n, name: `part ${n}`, quality: sample.quality, look }],
    );
    for (const words of [...oddShots(shots), ...oddFraming(shots)]) {
      const shot = shots.find(({ name }) => words.startsWith(`${name} `));
      this.seen.find(({ n }) => n === shot?.n)?.words.push(words);
    }
  }
}

type Camera = Record<string, number | string>;

function refused(what: string): VerdictdError {
  return new VerdictdError('TEACH_REFUSED', `Not taught: ${what}.`);
}
