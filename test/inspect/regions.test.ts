import { NothingLeft, prepareRegions, type RegionRules, scoreRegions } from '../../src/inspect/regions';

const rules = (changes: Partial<RegionRules> = {}): RegionRules => ({
  include: [],
  ignore: [],
  mask: null,
  minArea: 0,
  top: 1,
  ...changes,
});
const width = 8;
const height = 6;

/** A map of 0.1 with patches `[x, y, w, h, value]` on it. */
function map(...patches: [number, number, number, number, number][]): Float32Array {
  const out = new Float32Array(width * height).fill(0.1);
  for (const [x, y, w, h, value] of patches)
    for (let row = y; row < y + h; row++) for (let column = x; column < x + w; column++) out[row * width + column] = value;
  return out;
}
const score = (values: Float32Array, changes: Partial<RegionRules> = {}): number =>
  scoreRegions(values, prepareRegions(rules(changes), width, height)).score;

/** By the definition, slowly: the largest t at which the pixels >= t that count have a connected region of the smallest area. */
function slow(values: Float32Array, pixels: number): number {
  for (const level of [...new Set(values)].sort((a, b) => b - a)) {
    const seen = new Set<number>();
    for (let start = 0; start < values.length; start++) {
      const stack = [start];
      let area = 0;
      for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
        if (seen.has(at) || (values[at] ?? 0) < level) continue;
        seen.add(at);
        area++;
        const x = at % width;
        const y = (at - x) / width;
        for (const [dx, dy] of [-1, 0, 1].flatMap((a) => [-1, 0, 1].map((b) => [a, b] as const)))
          if (x + dx >= 0 && x + dx < width && y + dy >= 0 && y + dy < height) stack.push((y + dy) * width + x + dx);
      }
      if (area >= pixels) return level;
    }
  }
  return Number.NaN;
}

test.each<[string, Partial<RegionRules>, RegExp]>([
  ['everything ignored', { ignore: [[0, 0, 1, 1]] }, /nothing of the picture/],
  ['a place of no extent', { include: [[0.5, 0.5, 0, 0]] }, /nothing of the picture/],
  ['a defect larger than the picture looked at', { include: [[0, 0, 0.25, 0.25]], minArea: 0.5 }, /larger than any place/],
  [
    'a defect larger than either of two places apart',
    { include: [[0, 0, 0.25, 1], [0.75, 0, 0.25, 1]], minArea: 0.3 }, // biome-ignore format: one line reads better
    /larger than any place/,
  ],
  ['a mask over everything', { mask: { columns: 128, rows: 128, bits: 'f'.repeat(4096) } }, /nothing of the picture/],
])('%s would pass every part: refused', (_, changes, message) => {
  expect(() => prepareRegions(rules(changes), width, height)).toThrow(NothingLeft);
  expect(() => prepareRegions(rules(changes), width, height)).toThrow(message);
});

test('a map of another size is refused', () => {
  expect(() => scoreRegions(new Float32Array(4), prepareRegions(rules(), width, height))).toThrow(RangeError);
});

test('no rule: the largest value; a flat map: its value', () => {
  expect(score(map([3, 3, 1, 1, 2]))).toBe(2);
  expect(score(map([0, 0, width, height, 0.5]))).toBe(0.5);
  expect(score(new Float32Array(width * height))).toBe(0);
});

test('a defect outside the region of interest, or under the mask, does not count; one inside does', () => {
  const spot = map([0, 0, 2, 2, 3], [6, 4, 1, 1, 1]);
  expect(score(spot, { include: [[0.5, 0.5, 0.5, 0.5]] })).toBe(1);
  expect(score(spot, { ignore: [[0, 0, 0.5, 0.5]] })).toBe(1);
  const bits = Array.from({ length: 4096 }, (_, i) => (i % 32 < 16 ? 'f' : '0')).join(''); // the left half
  expect(score(spot, { mask: { columns: 128, rows: 128, bits } })).toBe(1);
  expect(score(spot, { ignore: [[0.7, 0.6, 0.3, 0.4]] })).toBe(3);
});

test('a spot smaller than the smallest defect counts only as far as its surroundings rise with it', () => {
  const spot = map([1, 1, 3, 2, 1], [2, 1, 1, 1, 5]);
  expect(score(spot, { minArea: 6 / 48 })).toBe(1);
  expect(score(spot, { minArea: 7 / 48 })).toBeCloseTo(0.1, 6);
  expect(score(spot)).toBe(5);
});

test('corners touch: a diagonal scratch is one region', () => {
  const scratch = map([0, 0, 1, 1, 2], [1, 1, 1, 1, 2], [2, 2, 1, 1, 2], [3, 3, 1, 1, 2]);
  expect(score(scratch, { minArea: 4 / 48 })).toBe(2);
});

test('the mean of the strongest regions; those that are missing count as the weakest pixel', () => {
  const two = map([0, 0, 2, 2, 4], [5, 3, 2, 2, 2]);
  const found = scoreRegions(two, prepareRegions(rules({ minArea: 4 / 48, top: 2 }), width, height));
  expect(found.regions.map(({ level }) => level)).toEqual([4, 2]);
  expect(found.score).toBe(3);
  expect(score(map([0, 0, 2, 2, 4]), { minArea: 24 / 48, top: 2 })).toBeCloseTo(0.1, 6);
});

test('as the definition says, on maps of noise and of ties', () => {
  let s = 7;
  const next = (): number => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return s / 2 ** 32;
  };
  for (let trial = 0; trial < 200; trial++) {
    const steps = trial % 2 === 0 ? 1000 : 4;
    const noise = Float32Array.from({ length: width * height }, () => Math.floor(next() * steps) / steps);
    const pixels = 1 + Math.floor(next() * 12);
    expect(score(noise, { minArea: pixels / 48 })).toBe(slow(noise, pixels));
  }
});
