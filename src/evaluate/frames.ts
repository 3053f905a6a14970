/** Which frames are worth training on: not blurred, and no frame twice. Pure. */

/** What a frame looks like, small: enough to know it again. */
export interface Look {
  grey: Uint8Array; // 64 x 64
  sharpness: number; // as the quality gate measures it
}

export const lookSide = 64;
/** Below this share of its recipe's median sharpness a frame is blurred: as teaching warns. */
const blurred = 0.5;
/**
 * Two frames that differ by less, in grey levels averaged over the small picture, are one: JPEG and sensor noise stay below 0.2 at this
 * size, two parts of one product from a fixed camera differ by 1 and more.
 */
const same = 0.35;

/** Index of the earlier frame that each frame repeats; null where it repeats none. */
export function repeats(looks: readonly Look[]): (number | null)[] {
  const means = looks.map(({ grey }) => grey.reduce((sum, value) => sum + value, 0) / grey.length);
  return looks.map((look, i) => {
    for (let before = 0; before < i; before++) {
      const other = looks[before];
      if (other !== undefined && Math.abs((means[i] ?? 0) - (means[before] ?? 0)) < same && difference(look.grey, other.grey) < same)
        return before;
    }
    return null;
  });
}

/** Mean absolute difference; given up early where it is large. */
function difference(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length && sum < same * a.length; i++) sum += Math.abs((a[i] ?? 0) - (b[i] ?? 0));
  return sum / a.length;
}

/** A sentence where the frame is blurred against the median of its fellows; null where it is sharp, or has too few to compare with. */
export function blurOf(look: Look, fellows: readonly Look[]): string | null {
  if (fellows.length < 3) return null;
  const sorted = fellows.map(({ sharpness }) => sharpness).sort((a, b) => a - b);
  const median = sorted[sorted.length >> 1] ?? 0;
  if (!(look.sharpness < blurred * median)) return null;
  return `blurred: sharpness ${look.sharpness.toFixed(2)}, the median of its recipe's pictures is ${median.toFixed(2)}`;
}
