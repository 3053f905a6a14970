// Random numbers that a seed repeats (mulberry32, 32 bits of state): enough for choosing moments, never for secrets.

/** A function that gives numbers from 0 (included) to 1 (not). */
export function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A seed of its own for each slice of each part, so that a slice that is run alone chooses as it did in the row (FNV-1a). */
export function seedOf(seed, name, slice) {
  let hash = 2166136261;
  for (const letter of `${seed} ${name} ${slice}`) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619);
  return hash >>> 0;
}

/** A whole number from `low` to `high`, both included. */
export const between = (random, low, high) => low + Math.floor(random() * (high - low + 1));
