/** Runs of parts: rejects one after another, and parts without any. Pure. */

export class Runs {
  private rejects = 0;
  private goods = 0;
  /** Latched by a run of rejects; a good part or a person ends it. */
  private many = false;

  /** 0: never. */
  constructor(private readonly most: { rejectsInRow: number; noReject: number }) {}

  /** One part: `good` if the model found it good in time. True each time a run of rejects is complete, and again after as many more. */
  part(good: boolean): boolean {
    const { rejectsInRow } = this.most;
    if (good) {
      this.goods++;
      this.rejects = 0;
      this.many = false;
      return false;
    }
    this.goods = 0;
    this.rejects++;
    const complete = rejectsInRow > 0 && this.rejects % rejectsInRow === 0;
    if (complete) this.many = true;
    return complete;
  }

  get rejectsInRow(): number {
    return this.rejects;
  }

  get sinceReject(): number {
    return this.goods;
  }

  get manyRejects(): boolean {
    return this.many;
  }

  get noReject(): boolean {
    return this.most.noReject > 0 && this.goods >= this.most.noReject;
  }

  /** A person has seen it: both count from zero. */
  acknowledge(): void {
    this.rejects = 0;
    this.goods = 0;
    this.many = false;
  }
}
