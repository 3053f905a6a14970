/** What teaching is asked for, and what of it cannot be. */
import type { Bundle } from '../bundle/manifest';
import { VerdictdError } from '../errors';
import { NothingLeft, prepareRegions, type RegionRules } from '../inspect/regions';
import { mostTolerance } from './position';
import type { Recipe, Symmetry } from './recipe';
import type { GoodPart } from './shots';
import { turns } from './symmetry';

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

/** Throws TEACH_REFUSED with what was expected. */
export function checkOptions(options: TeachOptions): void {
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
