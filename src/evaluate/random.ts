/** Draws that are the same on every machine. Pure. */

/** Uniform numbers 0 <= x < 1 from a seed (mulberry32, public domain). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` of the items in random order (Fisher and Yates), all of them if there are fewer. */
export function draw<T>(items: readonly T[], count: number, seed: number): T[] {
  const random = uniform(Math.imul(seed + 1, 7919) + 13);
  const left = [...items];
  const drawn: T[] = [];
  while (drawn.length < count && left.length > 0) {
    const at = Math.floor(random() * left.length);
    drawn.push(...left.splice(at, 1));
  }
  return drawn;
}
