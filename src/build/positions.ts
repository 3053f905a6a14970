/**
 * Positional embeddings for another grid than the one they were trained at, as the authors of each method do it.
 * bilinear: F.interpolate(mode='bilinear', align_corners=False), no antialias (zqhang/AnomalyCLIP AnomalyCLIP.py).
 * bicubic: F.interpolate(mode='bicubic', antialias=True), align_corners=False (mlfoundations/open_clip model.py
 * resize_pos_embed; ByChelsea/VAND-APRIL-GAN): Keys' kernel with a = -0.5, windows cut at the border and their weights made to
 * sum to 1 again, as Pillow.
 */
import { upsamplingMatrix } from '../onnx/blocks';

export type Interpolation = 'bilinear' | 'bicubic';

/** `table` [1 + from*from, width], row 0 of the class token -> [1 + to*to, width]. */
export function interpolatePositions(table: Float32Array, width: number, from: number, to: number, kind: Interpolation): Float32Array {
  if (from === to) return table;
  const matrix = kind === 'bilinear' ? upsamplingMatrix(from, to, { alignCorners: false, sigma: 0 }) : cubicMatrix(from, to);
  const rows = new Float64Array(to * from * width); // [to, from, width]
  for (let i = 0; i < to; i++)
    for (let a = 0; a < from; a++) {
      const weight = matrix[i * from + a] ?? 0;
      if (weight === 0) continue;
      const at = width * (1 + a * from);
      for (let n = 0; n < from * width; n++) rows[i * from * width + n] = (rows[i * from * width + n] ?? 0) + weight * (table[at + n] ?? 0);
    }
  const out = new Float32Array((1 + to * to) * width);
  out.set(table.subarray(0, width));
  const sum = new Float64Array(width);
  for (let i = 0; i < to; i++)
    for (let j = 0; j < to; j++) {
      sum.fill(0);
      for (let b = 0; b < from; b++) {
        const weight = matrix[j * from + b] ?? 0;
        if (weight === 0) continue;
        for (let c = 0; c < width; c++) sum[c] = (sum[c] ?? 0) + weight * (rows[(i * from + b) * width + c] ?? 0);
      }
      out.set(sum, (1 + i * to + j) * width);
    }
  return out;
}

/** [to, from] of Keys' cubic convolution (a = -0.5), widened when shrinking. */
function cubicMatrix(from: number, to: number): Float64Array {
  const matrix = new Float64Array(to * from);
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - 2 * stretch + 0.5), 0);
    const last = Math.min(Math.trunc(centre + 2 * stretch + 0.5), from);
    let total = 0;
    for (let k = first; k < last; k++) total += cubic((k - centre + 0.5) / stretch);
    for (let k = first; k < last; k++) matrix[i * from + k] = cubic((k - centre + 0.5) / stretch) / total;
  }
  return matrix;
}

function cubic(x: number): number {
  const t = Math.abs(x);
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
  return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
}
