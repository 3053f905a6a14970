/** The control charts of one recipe: learns what is usual, then says what has drifted. State that a file can hold; no clock, no disk. */
import { z } from 'zod';
import { centreOf, type Figure, figures, learn, nothingLearned, type Values } from './baseline';
import { advance, limit } from './ewma';

const finite = z.number();
const values = z.strictObject({ score: finite, brightness: finite, sharpness: finite });
/** As it is stored. `bank`: hash of the memory bank it was learned with; another bank has other scores. */
export const trendSchema = z.strictObject({
  format: z.literal(1),
  bank: z.string(),
  learned: z.strictObject({ parts: z.int().nonnegative(), mean: values, spread: values }),
  deviation: values,
});
export type TrendState = z.infer<typeof trendSchema>;

/** Below this share of its limit an alarm ends: a chart that lies on the limit would set and clear it at each part. */
const ends = 0.5;

export class Trend {
  private state: TrendState;
  private readonly drifted = new Set<Figure>();

  /** `wanted`: good parts to learn from. `stored` counts only where it was learned with the same bank. */
  constructor(
    private readonly wanted: number,
    bank: string,
    stored: TrendState | null,
  ) {
    const fresh: TrendState = { format: 1, bank, learned: nothingLearned, deviation: { score: 0, brightness: 0, sharpness: 0 } };
    this.state = stored !== null && stored.bank === bank ? stored : fresh;
    this.judge();
  }

  /** One good part, judged by `rejectLimit`. True where this was the last one to learn from. */
  good(seen: Values, rejectLimit: number): boolean {
    const { learned, deviation } = this.state;
    if (this.missing > 0) {
      this.state = { ...this.state, learned: learn(learned, seen) };
      return this.missing === 0;
    }
    const next = { ...deviation };
    for (const figure of figures) next[figure] = advance(deviation[figure], seen[figure], centreOf(learned, figure, rejectLimit));
    this.state = { ...this.state, deviation: next };
    this.judge();
    return false;
  }

  /** Good parts still to learn from. */
  get missing(): number {
    return Math.max(0, this.wanted - this.state.learned.parts);
  }

  /** How far good parts are from the baseline, in standard deviations of single parts; null: there is none yet. */
  get deviation(): Record<Figure, number | null> {
    return this.missing > 0 ? { score: null, brightness: null, sharpness: null } : this.state.deviation;
  }

  has(figure: Figure): boolean {
    return this.drifted.has(figure);
  }

  /** In words: what a person compares. */
  words(figure: Figure): string {
    const { learned, deviation } = this.state;
    return `${deviation[figure].toFixed(2)} standard deviations from ${learned.mean[figure].toPrecision(4)}, the mean of the first ${learned.parts} good parts; expected within ${limit.toFixed(2)}`;
  }

  /** A person has seen it: the charts begin anew at the baseline, and tell again if it lasts. */
  acknowledge(): void {
    this.state = { ...this.state, deviation: { score: 0, brightness: 0, sharpness: 0 } };
    this.judge();
  }

  toFile(): TrendState {
    return this.state;
  }

  private judge(): void {
    for (const figure of figures) {
      const off = Math.abs(this.state.deviation[figure]);
      if (off > limit) this.drifted.add(figure);
      else if (off < ends * limit) this.drifted.delete(figure);
    }
  }
}
