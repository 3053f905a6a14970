/** Weights as whole numbers of 8 bits, each output with a step of its own, symmetric: 0 stays 0. */

const largest = 127;

/** Step of each row of a torch matrix [out, in], float32 [out]: its largest magnitude lands on 127. A row of zeros has step 1. */
export function columnSteps(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const steps = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    let most = 0;
    for (let at = row * columns; at < (row + 1) * columns; at++) most = Math.max(most, Math.abs(matrix[at] ?? 0));
    steps[row] = most / largest;
    if (steps[row] === 0) steps[row] = 1; // of zeros, and of what is too small for float32
  }
  return steps;
}

/** The matrix [out, in] in those steps, transposed: int8 [in, out], rounded to the nearest. */
export function quantised(matrix: Float32Array, rows: number, columns: number, steps: Float32Array): Int8Array {
  const out = new Int8Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const step = steps[row] ?? 1;
    for (let column = 0; column < columns; column++) {
      const whole = Math.round((matrix[row * columns + column] ?? 0) / step);
      out[column * rows + row] = Math.min(largest, Math.max(-largest, whole));
    }
  }
  return out;
}
