import type { Code } from '../codes';
import type { Box, Findings, Judgement, Outcome, Part, Plan, Quality } from '../ports';

/** What parts are judged with: a plan, its limit, its gate. Exchanged as a whole when the recipe changes. */
export interface Job {
  plan: Plan;
  bundle: string; // sha256 of the bundle's manifest
  simulated: boolean; // the camera in use is simulated, or replays files
  limit: { value: number; grey: number; provisional: boolean };
  /** Null if the picture may be judged; else why not. */
  gate(quality: Quality): { code: Code; detail: string } | null;
  provider(): string;
  /** Where the findings are, in px of a frame of this size; absent: nobody asks. */
  boxes?(findings: Findings, frame: { width: number; height: number }): Box[];
  /** Whatever is found, no part of this job is released: teaching, a master check. `unjudged`: nothing is to be found either. */
  withheld?: { code: Code; detail: string; unjudged: boolean };
  /** A part that another recipe knows better by this factor is the wrong part; absent: nobody asks. */
  wrongPartMargin?: number;
}

export interface Circumstances {
  part: Part;
  late: boolean; // a no has been sent already
  operational: boolean;
}

/** Decides about one part. Pure; see inspect/verdict.ts for the rule and its source. */
export type Judge = (outcome: Outcome, job: Job, circumstances: Circumstances) => Judgement;
