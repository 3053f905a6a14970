/** What a part looks like from afar: enough to tell a picture taken twice, and a part that lies elsewhere. Pure. */
import type { InputSpec } from '../ports';
import { median } from './calibrate';

/** Coarse figures of one preprocessed picture. */
export interface Look {
  cells: Float32Array; // [side, side] mean grey, 0..255
  /** Where the contours lie, as shares of the picture's sides. NaN for a picture without any. */
  x: number;
  y: number;
  extent: number; // root mean square distance of the contours from there
}

const side = 32;
/**
 * Two pictures in which no cell differs by more grey levels were taken of the same part lying still: sensor noise averages out over a
 * cell, and a part that was moved by a pixel, or another one, does not.
 */
const still = 3;
/** A shot lies elsewhere beyond this share of the picture, where the others lie still; else beyond five of their deviations. */
const leastShift = 0.06;
const leastGrowth = 0.12;
const deviations = 5;

/** From a tensor [3,height,width] as the model takes it. */
export function lookOf(tensor: Float32Array, input: InputSpec): Look {
  const cells = cellsOf(tensor, input);
  let total = 0;
  let sumX = 0;
  let sumY = 0;
  let squares = 0;
  for (let y = 1; y < side - 1; y++)
    for (let x = 1; x < side - 1; x++) {
      const at = y * side + x;
      const dx = (cells[at + 1] ?? 0) - (cells[at - 1] ?? 0);
      const dy = (cells[at + side] ?? 0) - (cells[at - side] ?? 0);
      const weight = dx * dx + dy * dy;
      const px = (x + 0.5) / side;
      const py = (y + 0.5) / side;
      total += weight;
      sumX += weight * px;
      sumY += weight * py;
      squares += weight * (px * px + py * py);
    }
  const x = sumX / total;
  const y = sumY / total;
  return { cells, x, y, extent: Math.sqrt(Math.max(0, squares / total - x * x - y * y)) };
}

function cellsOf(tensor: Float32Array, { width, height, mean, std }: InputSpec): Float32Array {
  const sums = new Float64Array(side * side);
  const counts = new Float64Array(side * side);
  const column = Int32Array.from({ length: width }, (_, x) => Math.floor((x * side) / width));
  for (let c = 0, at = 0; c < 3; c++) {
    const gain = std[c] ?? 1;
    const offset = mean[c] ?? 0;
    for (let y = 0; y < height; y++) {
      const row = Math.floor((y * side) / height) * side;
      for (let x = 0; x < width; x++, at++) {
        const cell = row + (column[x] ?? 0);
        sums[cell] = (sums[cell] ?? 0) + (tensor[at] ?? 0) * gain + offset;
        counts[cell] = (counts[cell] ?? 0) + 1;
      }
    }
  }
  return Float32Array.from(sums, (sum, i) => (255 * sum) / Math.max(1, counts[i] ?? 0));
}

/** The largest difference of a cell, in grey levels. */
export function difference(a: Look, b: Look): number {
  let most = 0;
  for (let i = 0; i < a.cells.length; i++) most = Math.max(most, Math.abs((a.cells[i] ?? 0) - (b.cells[i] ?? 0)));
  return most;
}

/** The same part lying still, photographed again. */
export function sameScene(a: Look, b: Look): boolean {
  return difference(a, b) <= still;
}

/**
 * One sentence for each shot that lies elsewhere, or is larger or smaller, than the others: beyond five robust deviations (1.4826 times
 * the median deviation), and beyond 6 % of the picture (12 % in size). Parts that never lie alike have a large deviation, and none is
 * flagged. From three shots on.
 */
export function oddFraming(shots: readonly { name: string; look: Look }[]): string[] {
  if (shots.length < 3) return [];
  const middle = (of: (look: Look) => number): { centre: number; deviation: number } => {
    const values = shots.map(({ look }) => of(look)).filter(Number.isFinite);
    const centre = median(values);
    return { centre, deviation: 1.4826 * median(values.map((value) => Math.abs(value - centre))) };
  };
  const x = middle((look) => look.x);
  const y = middle((look) => look.y);
  const extent = middle((look) => look.extent);
  return shots.flatMap(({ name, look }) => {
    const off = (value: number, { centre, deviation }: typeof x, least: number): boolean =>
      Math.abs(value - centre) > Math.max(least, deviations * deviation);
    if (off(look.x, x, leastShift) || off(look.y, y, leastShift)) {
      const shift = `${percent(look.x - x.centre)} to the right, ${percent(look.y - y.centre)} down`;
      return [`${name} lies elsewhere than the other shots (${shift} of the picture): put the part where the others lay`];
    }
    if (off(look.extent, extent, leastGrowth * extent.centre)) {
      const size = percent(look.extent / extent.centre);
      return [
        `${name} is of another size than the other shots (${size} of theirs): check the distance, and whether it is the same product`,
      ];
    }
    return [];
  });
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
