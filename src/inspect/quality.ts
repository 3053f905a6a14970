/**
 * The quality gate: pictures that must not be judged, told by figures of the picture alone, before any model. Pure.
 * A part that is too dark to see looks good to a model that looks for defects.
 */
import { Code } from '../codes';
import type { Quality } from '../ports';

/** Limits of the gate; the configuration's section `quality` sets them. */
export interface GateLimits {
  minMean: number; // 0..255
  maxMean: number; // 0..255
  meanTolerance: number; // share of the reference's mean
  minSharpness: number; // share of the reference's sharpness
}

/**
 * Reasons. Mean 8 and 247: a lens cap, or a lamp in the lens, whatever the recipe. 0.35: castings from one fixed camera keep
 * within 0.12 of their median; a third is a lamp that failed, or an exposure half as long or twice. 0.3: on the same castings good
 * parts keep above 0.74 of their median sharpness, and a Gaussian blur of 1.3 % of the picture's width brings it to 0.3.
 */
export const defaultGate: GateLimits = { minMean: 8, maxMean: 247, meanTolerance: 0.35, minSharpness: 0.3 };

/** With more than this share of pixels at either end of the scale there is nothing left to look at, whatever the mean says. */
const maxClipped = 0.95;

/**
 * Null if the picture may be judged; else 304 (brightness) or 305 (blur) with a sentence. `reference`: figures of the recipe's
 * good parts; null where there is none, then only the absolute limits hold.
 */
export function gate(
  quality: Quality,
  reference: { mean: number; sharpness: number } | null,
  limits: GateLimits = defaultGate,
): { code: Code; detail: string } | null {
  return brightness(quality, reference, limits) ?? blur(quality, reference, limits);
}

function brightness(
  { mean, dark, bright }: Quality,
  reference: { mean: number } | null,
  limits: GateLimits,
): { code: Code; detail: string } | null {
  const refused = (detail: string) => ({ code: Code.brightness, detail });
  if (![mean, dark, bright].every(Number.isFinite)) return refused('the brightness of the picture could not be measured');
  if (mean < limits.minMean) return refused(`too dark: mean brightness ${mean.toFixed(1)} of 255, expected at least ${limits.minMean}`);
  if (mean > limits.maxMean) return refused(`too bright: mean brightness ${mean.toFixed(1)} of 255, expected at most ${limits.maxMean}`);
  if (dark > maxClipped) return refused(`too dark: ${percent(dark)} of the pixels are black, expected at most ${percent(maxClipped)}`);
  if (bright > maxClipped) {
    return refused(`too bright: ${percent(bright)} of the pixels are saturated, expected at most ${percent(maxClipped)}`);
  }
  if (reference === null) return null;
  const deviation = mean / reference.mean - 1;
  if (Math.abs(deviation) <= limits.meanTolerance) return null;
  const side = deviation < 0 ? 'too dark' : 'too bright';
  const expected = `expected ${reference.mean.toFixed(1)} within ${percent(limits.meanTolerance)}, as the recipe's good parts`;
  return refused(`${side}: mean brightness ${mean.toFixed(1)} of 255, ${expected}`);
}

function blur({ sharpness }: Quality, reference: { sharpness: number } | null, limits: GateLimits): { code: Code; detail: string } | null {
  if (!Number.isFinite(sharpness)) return { code: Code.blur, detail: 'the sharpness of the picture could not be measured' };
  if (reference === null || sharpness >= reference.sharpness * limits.minSharpness) return null;
  const found = `sharpness ${sharpness.toFixed(2)} is ${percent(sharpness / reference.sharpness)} of the recipe's good parts`;
  return { code: Code.blur, detail: `blurred: ${found}, expected at least ${percent(limits.minSharpness)}` };
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
