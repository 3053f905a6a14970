/** Connected regions of a mask. Pure. */

export interface Regions {
  /** Per pixel: 0 outside, else the region's number from 1. */
  labels: Uint32Array;
  /** Pixels of region i+1. */
  areas: number[];
}

/** Regions of the pixels that are not 0, row major, joined over edges and corners (8 neighbours). One pass and a stack; no recursion. */
export function regionsOf(mask: ArrayLike<number>, width: number, height: number): Regions {
  const labels = new Uint32Array(width * height);
  const areas: number[] = [];
  const stack: number[] = [];
  for (let start = 0; start < labels.length; start++) {
    if (!mask[start] || labels[start] !== 0) continue;
    const label = areas.length + 1;
    let area = 0;
    labels[start] = label;
    stack.push(start);
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      area++;
      const x = at % width;
      const y = (at - x) / width;
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++) {
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
          const next = ny * width + nx;
          if (!mask[next] || labels[next] !== 0) continue;
          labels[next] = label;
          stack.push(next);
        }
      }
    }
    areas.push(area);
  }
  return { labels, areas };
}
