/** Where on the picture the model found something: boxes around the anomalous regions of its map, for people and for the journal. Pure. */
import type { Box, Findings } from '../ports';
import { regionsOf } from '../stats/regions';
import { prepareRegions, type RegionRule, type RegionRules } from './regions';

/** Contract, topic `journal`: at most so many. */
const most = 16;
/** Cells a side at most: a map of 518 x 518 is 17 000 cells then, and the main thread has other things to do. */
const cellsMax = 130;

export type Placer = (findings: Pick<Findings, 'map'>, frame: { width: number; height: number }) => Box[];

/**
 * Boxes around the regions whose map reaches `limit`, joined over edges and corners, strongest first, at most 16; where no pixel reaches
 * it (a score need not be on its map's scale), around the strongest place. The map is looked at in cells of up to
 * ceil(side / 130) pixels, each as strong as its strongest pixel, so a box is up to a cell larger than its region on each side; it never
 * leaves the frame. Pixels that the recipe's rules leave out belong to no region. `frame`: size of the whole picture, px; the map covers
 * all of it (fit squash). No map, or nothing to look at: no boxes.
 */
export function placer(limit: number, rules: RegionRules | undefined): Placer {
  let prepared: RegionRule | null = null; // the rules of one size of map: that of its model
  return ({ map }, frame) => {
    if (map === null) return [];
    if (rules !== undefined && (prepared?.width !== map.width || prepared.height !== map.height)) {
      prepared = prepareRegions(rules, map.width, map.height);
    }
    const { cells, columns, rows, step, strongest } = pooled(map, prepared?.counts ?? null);
    if (!Number.isFinite(strongest)) return [];
    const least = Math.min(limit, strongest);
    const mask = Uint8Array.from(cells, (value) => (value >= least ? 1 : 0));
    const wide = (cell: number): number => (Math.min(cell * step, map.width) / map.width) * frame.width;
    const high = (cell: number): number => (Math.min(cell * step, map.height) / map.height) * frame.height;
    return extents(mask, cells, columns, rows)
      .sort((a, b) => b.level - a.level)
      .slice(0, most)
      .map(({ left, top, right, bottom }) => {
        const x = Math.floor(wide(left));
        const y = Math.floor(high(top));
        return { x, y, width: Math.ceil(wide(right)) - x, height: Math.ceil(high(bottom)) - y };
      });
  };
}

type Grid = { width: number; height: number; data: Float32Array };

/** The map in cells, each its largest pixel that counts; -Infinity where none does. */
function pooled(map: Grid, counts: Uint8Array | null) {
  const step = Math.max(1, Math.ceil(Math.max(map.width, map.height) / cellsMax));
  const columns = Math.ceil(map.width / step);
  const rows = Math.ceil(map.height / step);
  const cells = new Float32Array(columns * rows).fill(Number.NEGATIVE_INFINITY);
  let strongest = Number.NEGATIVE_INFINITY;
  for (let y = 0, at = 0; y < map.height; y++) {
    const row = Math.floor(y / step) * columns;
    for (let x = 0; x < map.width; x++, at++) {
      if (counts !== null && counts[at] === 0) continue;
      const value = map.data[at] ?? Number.NEGATIVE_INFINITY;
      const cell = row + Math.floor(x / step);
      if (value > (cells[cell] ?? value)) cells[cell] = value;
      if (value > strongest) strongest = value;
    }
  }
  return { cells, columns, rows, step, strongest };
}

/** Of each region of the mask: its extent in cells (right and bottom behind it) and its strongest cell. */
function extents(mask: Uint8Array, cells: Float32Array, columns: number, rows: number) {
  const { labels, areas } = regionsOf(mask, columns, rows);
  const found = areas.map(() => ({ left: columns, top: rows, right: 0, bottom: 0, level: Number.NEGATIVE_INFINITY }));
  for (let cell = 0; cell < labels.length; cell++) {
    const region = found[(labels[cell] ?? 0) - 1];
    if (region === undefined) continue;
    const x = cell % columns;
    const y = (cell - x) / columns;
    region.left = Math.min(region.left, x);
    region.top = Math.min(region.top, y);
    region.right = Math.max(region.right, x + 1);
    region.bottom = Math.max(region.bottom, y + 1);
    region.level = Math.max(region.level, cells[cell] ?? region.level);
  }
  return found;
}
