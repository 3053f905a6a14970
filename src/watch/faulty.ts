/** Pictures that could not be judged: an alarm where they are more than 1 % of the parts of a minute (contract, fault table). Pure. */
import type { Code } from '../codes';
import type { Ms } from '../ports';

/** Incomplete frame, brightness, blur, frozen frame. */
export const faultCodes = [303, 304, 305, 306] as const satisfies readonly Code[];

const span = 60; // s
const most = 0.01; // share of parts

/** Counts by the second: a fast line has thousands of parts in a minute. */
export class FaultyPictures {
  private seconds: { second: number; parts: number; codes: Map<Code, number> }[] = [];

  part(now: Ms, code: Code): void {
    const second = Math.floor(now / 1000);
    let last = this.seconds.at(-1);
    if (last?.second !== second) {
      last = { second, parts: 0, codes: new Map() };
      this.seconds.push(last);
      this.forget(second);
    }
    last.parts++;
    last.codes.set(code, (last.codes.get(code) ?? 0) + 1);
  }

  /** Codes that are above 1 % of the last 60 s. */
  above(now: Ms): Set<Code> {
    this.forget(Math.floor(now / 1000));
    const parts = this.seconds.reduce((sum, one) => sum + one.parts, 0);
    const share = (code: Code): number => this.seconds.reduce((sum, one) => sum + (one.codes.get(code) ?? 0), 0) / Math.max(1, parts);
    return new Set(faultCodes.filter((code) => share(code) > most));
  }

  private forget(second: number): void {
    this.seconds = this.seconds.filter((one) => one.second > second - span);
  }
}
