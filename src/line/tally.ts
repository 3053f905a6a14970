import { Evaluation } from '../codes';
import type { Ms, Stats } from '../ports';
import type { Report } from './line';

/** Counts parts as they are reported. */
export class Tally {
  private before = 0; // triggers up to the last clear
  private ok = 0;
  private ng = 0;
  private undecided = 0;
  private errors = 0;
  private timed = 0;
  private total: Ms = 0;
  private min: Ms = Number.POSITIVE_INFINITY;
  private max: Ms = 0;

  /** `triggers`: how many have come, refused ones too. */
  constructor(private readonly triggers: () => number) {}

  /** Counts from zero (command 40). */
  clear(): void {
    this.before = this.triggers();
    this.ok = 0;
    this.ng = 0;
    this.undecided = 0;
    this.errors = 0;
    this.timed = 0;
    this.total = 0;
    this.min = Number.POSITIVE_INFINITY;
    this.max = 0;
  }

  add({ verdict, age }: Pick<Report, 'verdict' | 'age'>): void {
    if (verdict.evaluation === Evaluation.OK) this.ok++;
    else if (verdict.evaluation === Evaluation.NotOK) this.ng++;
    else if (verdict.evaluation === Evaluation.NotDecidable) this.undecided++;
    else this.errors++;
    if (age === null) return;
    this.timed++;
    this.total += age;
    this.min = Math.min(this.min, age);
    this.max = Math.max(this.max, age);
  }

  read(): Stats {
    const { ok, ng, undecided, errors, timed, total, min, max } = this;
    const none = timed === 0;
    return {
      triggers: this.triggers() - this.before,
      ok,
      ng,
      undecided,
      errors,
      timeMin: none ? 0 : min,
      timeAvg: none ? 0 : total / timed,
      timeMax: max,
    };
  }
}
