/**
 * Pixel figures over any number of maps in bounded memory: a histogram of scores instead of the scores.
 *
 * A bin is a float32 cut to 19 significant bits (sign, exponent, 18 bits of mantissa), so two pixels share one only where they differ by
 * less than 4e-6 of their value, below what two runs of one model on two processors differ by; in a bin they count as ties. Bins lie in
 * pages made on demand, 48 kB for each 1/128 of an octave that scores reach: 43 MB for scores over seven octaves, whatever the number of
 * pictures. Region overlap needs no maps either: averaged over regions, the share found above a limit is a histogram in which each defective
 * pixel weighs 1/area of its region.
 */
import { regionsOf } from './regions';

const lowBits = 11;
const pageSize = 1 << lowBits;
const droppedBits = 5;
/** Thresholds of the overlap curve, and the false-positive rate it ends at: cal_pro_score of AnomalyCLIP (after Bergmann et al. 2021). */
const overlapSteps = 200;
const overlapEnd = 0.3;

interface Page {
  good: Float64Array; // pixels outside defects
  bad: Float64Array; // pixels of defects
  overlap: Float64Array; // the same, each 1/area of its region
}

export interface PixelFigures {
  auroc: number;
  ap: number;
  f1: number;
  /** Area under the mean region overlap up to a false-positive rate of 0.3, scaled to 1. Null where the map has one value only. */
  aupro: number | null;
  pixels: number;
  defective: number;
  regions: number;
}

interface Bin {
  score: number;
  good: number;
  bad: number;
  overlap: number;
}

export class PixelStats {
  private readonly pages = new Map<number, Page>();
  private readonly float = new Float32Array(1);
  private readonly bits = new Uint32Array(this.float.buffer);
  private least = Number.POSITIVE_INFINITY;
  private most = Number.NEGATIVE_INFINITY;
  private regions = 0;

  /** One map (row major) with its mask of the same size; not 0 is defective; null: a good part. Throws RangeError for NaN or another size. */
  add(map: { width: number; height: number; data: Float32Array }, mask: ArrayLike<number> | null): void {
    const { width, height, data } = map;
    if (data.length !== width * height || (mask !== null && mask.length !== data.length))
      throw new RangeError(`a map of ${data.length} values and a mask of ${mask?.length ?? 0} for ${width} x ${height} pixels`);
    const found = mask === null ? null : regionsOf(mask, width, height);
    for (let i = 0; i < data.length; i++) {
      const score = data[i] ?? 0;
      if (!Number.isFinite(score)) throw new RangeError(`pixel ${i} of the map is ${score}; expected a finite number`);
      if (score < this.least) this.least = score;
      if (score > this.most) this.most = score;
      const key = this.keyOf(score);
      const page = this.page(key >>> lowBits);
      const at = key & (pageSize - 1);
      const region = found?.labels[i] ?? 0;
      if (region === 0) page.good[at] = (page.good[at] ?? 0) + 1;
      else {
        page.bad[at] = (page.bad[at] ?? 0) + 1;
        page.overlap[at] = (page.overlap[at] ?? 0) + 1 / (found?.areas[region - 1] ?? 1);
      }
    }
    this.regions += found?.areas.length ?? 0;
  }

  /** Null where no pixel is defective, or every one is: there is nothing to tell apart. */
  figures(): PixelFigures | null {
    const bins = this.bins();
    const bad = bins.reduce((sum, bin) => sum + bin.bad, 0);
    const good = bins.reduce((sum, bin) => sum + bin.good, 0);
    if (bad === 0 || good === 0) return null;
    let [truePositives, falsePositives, area, ap, f1] = [0, 0, 0, 0, 0];
    for (const bin of bins) {
      area += bin.good * (truePositives + bin.bad / 2);
      truePositives += bin.bad;
      falsePositives += bin.good;
      ap += (bin.bad / bad) * (truePositives / (truePositives + falsePositives));
      f1 = Math.max(f1, (2 * truePositives) / (truePositives + falsePositives + bad));
    }
    const aupro = this.aupro(bins, good);
    return { auroc: area / (bad * good), ap, f1, aupro, pixels: bad + good, defective: bad, regions: this.regions };
  }

  private aupro(bins: readonly Bin[], good: number): number | null {
    const points: { rate: number; overlap: number }[] = [];
    let at = 0;
    let [above, overlap] = [0, 0];
    for (let step = overlapSteps - 1; step >= 0; step--) {
      const threshold = this.least + ((this.most - this.least) * step) / overlapSteps;
      for (let bin = bins[at]; bin !== undefined && bin.score > threshold; bin = bins[++at]) {
        above += bin.good;
        overlap += bin.overlap;
      }
      const rate = above / good;
      if (rate < overlapEnd) points.push({ rate, overlap: overlap / this.regions });
    }
    const first = points[0];
    const last = points.at(-1);
    if (first === undefined || last === undefined || last.rate === first.rate) return null;
    let area = 0;
    for (const [i, point] of points.entries()) {
      const before = points[i - 1] ?? point;
      area += ((point.rate - before.rate) * (point.overlap + before.overlap)) / 2;
    }
    return area / (last.rate - first.rate);
  }

  /** By falling score, empty ones left out. */
  private bins(): Bin[] {
    const bins: Bin[] = [];
    for (const [number, { good, bad, overlap }] of [...this.pages].sort(([a], [b]) => b - a))
      for (let at = pageSize - 1; at >= 0; at--) {
        if (good[at] === 0 && bad[at] === 0) continue;
        bins.push({ score: this.scoreOf((number << lowBits) | at), good: good[at] ?? 0, bad: bad[at] ?? 0, overlap: overlap[at] ?? 0 });
      }
    return bins;
  }

  /** Order of the bins is order of the scores: the sign bit turned over, all bits of a negative. */
  private keyOf(score: number): number {
    this.float[0] = score === 0 ? 0 : score; // -0 is 0
    const bits = this.bits[0] ?? 0;
    return (bits >>> 31 === 1 ? ~bits >>> 0 : (bits | 0x80000000) >>> 0) >>> droppedBits;
  }

  /** The lower edge of a bin: a score with few bits, as 0, is its own. */
  private scoreOf(key: number): number {
    const whole = (key << droppedBits) >>> 0;
    this.bits[0] = whole >>> 31 === 1 ? whole & 0x7fffffff : ~whole >>> 0;
    return this.float[0] ?? 0;
  }

  private page(number: number): Page {
    let page = this.pages.get(number);
    if (page === undefined) {
      page = { good: new Float64Array(pageSize), bad: new Float64Array(pageSize), overlap: new Float64Array(pageSize) };
      this.pages.set(number, page);
    }
    return page;
  }
}
