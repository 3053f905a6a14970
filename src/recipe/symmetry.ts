/** The eight symmetries of the square, on the model's input tensor: exact, whatever format the picture had. */
import type { Symmetry } from './recipe';

/** Bit 0 mirrors left-right, bit 1 top-bottom, bit 2 swaps rows and columns. */
const elements: Record<Symmetry, readonly number[]> = {
  none: [0],
  flips: [0, 1, 2, 3],
  rotations: [0, 5, 3, 6], // 0, 90, 180, 270 degrees
  all: [0, 1, 2, 3, 4, 5, 6, 7],
};

/** True where the symmetry turns the picture by 90 degrees: only a square picture stays what it was. */
export function turns(symmetry: Symmetry): boolean {
  return elements[symmetry].some((element) => element >= 4);
}

/** `tensor` [3,side,side] under every element of the symmetry, itself first. */
export function* variants(tensor: Float32Array, side: number, symmetry: Symmetry): Generator<Float32Array> {
  for (const element of elements[symmetry]) yield element === 0 ? tensor : transformed(tensor, side, element);
}

function transformed(tensor: Float32Array, side: number, element: number): Float32Array {
  const out = new Float32Array(tensor.length);
  const plane = side * side;
  for (let at = 0; at < tensor.length; at++) {
    let x = at % side;
    let y = Math.floor(at / side) % side;
    if ((element & 1) !== 0) x = side - 1 - x;
    if ((element & 2) !== 0) y = side - 1 - y;
    if ((element & 4) !== 0) [x, y] = [y, x];
    out[at] = tensor[at - (at % plane) + y * side + x] ?? 0;
  }
  return out;
}
