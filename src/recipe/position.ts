/**
 * Parts that always lie alike: a patch carries its place, so that the right thing in the wrong place is far from everything in the bank.
 * The place is two more columns of a row, weighted so that a patch found `tolerance` of the picture's side away is as far as two patches
 * of the shots picked at random are from each other: squared distance = features + spread * (shift / tolerance)^2. Pure.
 */
import type { BankChunk } from '../onnx/blocks';

/** Beyond the picture's own side the place says nothing. */
export const mostTolerance = 1;
/** For parts in a nest or at a stop: a shift of a few per cent costs next to nothing, another place much. */
export const usualTolerance = 0.15;

/** Mean squared distance between two rows picked at random: twice their total variance. */
export function spreadOf(chunks: readonly BankChunk[], dim: number): number {
  const count = chunks.reduce((sum, chunk) => sum + chunk.count, 0);
  const mean = new Float64Array(dim);
  let squares = 0;
  for (const { rows } of chunks)
    for (let i = 0; i < rows.length; i++) {
      const value = rows[i] ?? 0;
      mean[i % dim] = (mean[i % dim] ?? 0) + value / count;
      squares += (value * value) / count;
    }
  return Math.max(0, 2 * (squares - mean.reduce((sum, x) => sum + x * x, 0)));
}

/** Weighted places [rows*columns, 2] (down, right) of a grid's patches, from the picture's middle. */
export function lying(grid: { rows: number; columns: number }, spread: number, tolerance: number): Float32Array {
  const weight = Math.sqrt(spread) / tolerance;
  const places = new Float32Array(grid.rows * grid.columns * 2);
  for (let row = 0, at = 0; row < grid.rows; row++)
    for (let column = 0; column < grid.columns; column++, at += 2) {
      places[at] = weight * ((row + 0.5) / grid.rows - 0.5);
      places[at + 1] = weight * ((column + 0.5) / grid.columns - 0.5);
    }
  return places;
}
