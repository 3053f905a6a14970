/**
 * Region rules of a recipe: where on the part a defect counts, how large it must be, how many. They replace the bank's score by one
 * taken from its anomaly map. Pure. (The hybrid prompts of SAA+, arXiv 2305.10724, in plain form: area, place and number of anomalies.)
 */

import { regionsOf } from '../stats/regions';

/** Shares of the picture's sides, 0..1: left, top, width, height. */
export type Rectangle = readonly [x: number, y: number, width: number, height: number];

export interface RegionRules {
  /** Only here a defect counts; empty: everywhere. */
  include: readonly Rectangle[];
  /** Here it never does. */
  ignore: readonly Rectangle[];
  /** Drawn ignore mask on a grid, one hex digit for four cells, row by row, 1 = ignored; null: none. */
  mask: { columns: 128; rows: 128; bits: string } | null;
  /** Smallest defect that counts, as a share of the picture's area, 0..1. */
  minArea: number;
  /** How many regions the score is the mean of: the K strongest. */
  top: number;
}

/** One anomalous region, in pixels of the map. */
export interface Region {
  level: number; // its strength: at this value of the map it reaches the smallest area that counts
  x: number; // of the pixel at which it did
  y: number;
}

/** Rules made ready for maps of one size. */
export interface RegionRule {
  width: number;
  height: number;
  counts: Uint8Array; // [height, width]: 1 where a defect counts
  minPixels: number;
  top: number;
}

/** Rules that leave no pixel to look at, or ask for an area larger than what is left, are refused: they would pass every part. */
export class NothingLeft extends Error {}

/** @throws NothingLeft */
export function prepareRegions(rules: RegionRules, width: number, height: number): RegionRule {
  const counts = new Uint8Array(width * height);
  let left = 0;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const px = (x + 0.5) / width;
      const py = (y + 0.5) / height;
      const inside = ([left, top, wide, high]: Rectangle): boolean => px >= left && px < left + wide && py >= top && py < top + high;
      const kept = (rules.include.length === 0 || rules.include.some(inside)) && !rules.ignore.some(inside) && !masked(rules.mask, px, py);
      counts[y * width + x] = kept ? 1 : 0;
      if (kept) left++;
    }
  const minPixels = Math.max(1, Math.round(rules.minArea * width * height));
  if (left === 0) throw new NothingLeft('the region rules leave nothing of the picture to look at');
  const largest = regionsOf(counts, width, height).areas.reduce((most, area) => Math.max(most, area), 0);
  if (minPixels > largest)
    throw new NothingLeft(
      `the smallest defect that counts (${minPixels} px of the map) is larger than any place looked at (${largest} px)`,
    );
  return { width, height, counts, minPixels, top: rules.top };
}

function masked(mask: RegionRules['mask'], px: number, py: number): boolean {
  if (mask === null) return false;
  const cell = Math.floor(py * mask.rows) * mask.columns + Math.floor(px * mask.columns);
  return ((Number.parseInt(mask.bits[cell >> 2] ?? '0', 16) >> (3 - (cell & 3))) & 1) === 1;
}

/** Parts of the map's range, sorted one at a time. */
const buckets = 1024;

/**
 * The strongest regions, at most `top`, strongest first, and the score: the mean of their levels; where there are fewer than `top`, the
 * missing ones count as the weakest pixel looked at. A region's level is the highest value t at which pixels >= t, joined over edges and
 * corners, reach the smallest area (the maximum of the map's area opening, Vincent 1993): a sharper spot than that says nothing. With an
 * area of one pixel and one region it is the largest value of the map. `map` [height,width], finite throughout.
 *
 * Pixels join in falling order (union-find), so the work ends with the last region wanted and not with the last pixel.
 */
export function scoreRegions(map: Float32Array, rule: RegionRule): { score: number; regions: Region[] } {
  const { counts, width, height, minPixels, top } = rule;
  if (map.length !== counts.length) throw new RangeError(`a map of ${map.length} pixels; the rules are for ${width} x ${height}`);
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < map.length; i++) {
    if (counts[i] === 0) continue;
    const value = map[i] ?? Number.NaN;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  const parent = new Int32Array(map.length).fill(-1); // -1: not joined yet
  const area = new Int32Array(map.length);
  const regions: Region[] = [];
  const join = (at: number): void => {
    const x = at % width;
    const y = (at - x) / width;
    parent[at] = at;
    let size = 1;
    let known = false; // joined to a region that counts already
    for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++)
      for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
        const next = ny * width + nx;
        if ((parent[next] ?? -1) < 0) continue;
        const root = rootOf(parent, next);
        if (root === at) continue;
        const other = area[root] ?? 0;
        if (other >= minPixels) known = true;
        size += other;
        parent[root] = at;
      }
    area[at] = size;
    if (size >= minPixels && !known) regions.push({ level: map[at] ?? Number.NaN, x, y });
  };
  for (const bucket of falling(map, counts, least, most)) {
    for (const at of bucket) {
      join(at);
      if (regions.length >= top) return { score: mean(regions, least, top), regions };
    }
  }
  return { score: mean(regions, least, top), regions };
}

function mean(regions: readonly Region[], least: number, top: number): number {
  return (regions.reduce((sum, { level }) => sum + level, 0) + (top - regions.length) * least) / top;
}

function rootOf(parent: Int32Array, at: number): number {
  let root = at;
  while (parent[root] !== root) root = parent[root] ?? root;
  for (let next = at; next !== root; ) {
    const up = parent[next] ?? root;
    parent[next] = root;
    next = up;
  }
  return root;
}

/** The pixels that count, in falling order, a bucket at a time; each is sorted only when it is asked for. Ties go by place. */
function* falling(map: Float32Array, counts: Uint8Array, least: number, most: number): Generator<Int32Array> {
  const scale = most > least ? (buckets - 1) / (most - least) : 0;
  const bucketOf = (at: number): number => Math.floor((most - (map[at] ?? least)) * scale);
  const ends = new Int32Array(buckets + 1);
  for (let i = 0; i < map.length; i++) if (counts[i] === 1) ends[bucketOf(i) + 1] = (ends[bucketOf(i) + 1] ?? 0) + 1;
  for (let b = 0; b < buckets; b++) ends[b + 1] = (ends[b + 1] ?? 0) + (ends[b] ?? 0);
  const order = new Int32Array(ends[buckets] ?? 0);
  const next = ends.slice();
  for (let i = 0; i < map.length; i++) {
    if (counts[i] === 0) continue;
    const bucket = bucketOf(i);
    order[next[bucket] ?? 0] = i;
    next[bucket] = (next[bucket] ?? 0) + 1;
  }
  for (let b = 0; b < buckets; b++) yield order.subarray(ends[b], ends[b + 1]).sort((a, c) => (map[c] ?? 0) - (map[a] ?? 0) || a - c);
}
