/** What differs from part to part of one product: place, light, texture, and whether it is good. */
import type { FamilyName } from './families';
import { clamp, cosTurn, Draws, keyOf, sinTurn } from './numbers';

/** Three kinds that inspection data name, and one that no model here is trained on. */
export const defectKinds = ['scratch', 'contamination', 'crack', 'dent'] as const;
export type DefectKind = (typeof defectKinds)[number];
/** The kind kept out of every training set. */
export const unseenDefect: DefectKind = 'dent';

export interface PartSpec {
  family: FamilyName;
  product: number;
  /** Number of the part on the line, from 0. */
  part: number;
  /** Of the line: another seed, other parts of the same product. */
  seed: number;
}

/** Draws about one part; `what` keeps its aspects independent of each other. */
export function drawsOf(spec: PartSpec, what: string): Draws {
  return new Draws(keyOf(`${what}/${spec.family}`, spec.product, spec.seed, spec.part));
}

/** The defect of a part on a line where the share `rate` (0..1) is defective; null for a good part. Every kind is as frequent. */
export function defectOf(spec: PartSpec, rate: number): DefectKind | null {
  const draws = drawsOf(spec, 'defect?');
  return draws.chance(rate) ? draws.pick(defectKinds) : null;
}

/** Where the sensor looks: layer = origin + (x, y) turned. Pixels. */
export interface Pose {
  x: number;
  y: number;
  cos: number;
  sin: number;
}

export function poseOf(spec: PartSpec, width: number, height: number, web: boolean, marginPx: number): Pose {
  const draws = drawsOf(spec, 'pose');
  // Sub-pixel shift of about 0.3 % of the frame and a turn of about 0.2 degrees; web goods run under the camera.
  const turn = clamp(draws.normal(), -2.2, 2.2) * 0.0006;
  const sin = sinTurn(turn);
  const cos = cosTurn(turn);
  const dx = web ? draws.unit() * width : clamp(draws.normal(), -2.2, 2.2) * 0.003 * width;
  const dy = web ? draws.unit() * height : clamp(draws.normal(), -2.2, 2.2) * 0.003 * width;
  // Turned about the middle of the frame.
  const cx = width / 2;
  const cy = height / 2;
  return { x: marginPx + cx + dx - cos * cx + sin * cy, y: marginPx + cy + dy - sin * cx - cos * cy, cos, sin };
}

/** Light on one part: gain per column and row (their product counts), highlight likewise, gain per channel. */
export interface Light {
  columns: Float32Array;
  rows: Float32Array;
  shineColumns: Float32Array;
  shineRows: Float32Array;
  channels: [number, number, number];
}

export function lightOf(spec: PartSpec, width: number, height: number): Light {
  const draws = drawsOf(spec, 'light');
  const level = 1 + 0.025 * clamp(draws.normal(), -2.2, 2.2);
  const slopeX = 0.035 * clamp(draws.normal(), -2, 2);
  const slopeY = 0.03 * clamp(draws.normal(), -2, 2);
  const falloff = 0.1 + 0.02 * draws.unit(); // of the lens, towards the corners
  const shineX = 0.42 + 0.05 * draws.normal();
  const shineY = 0.4 + 0.06 * draws.normal();
  const strength = 1 + 0.12 * draws.normal();
  const columns = new Float32Array(width);
  const shineColumns = new Float32Array(width);
  for (let x = 0; x < width; x++) {
    const t = (x + 0.5) / width - 0.5;
    columns[x] = level * (1 + slopeX * t * 2) * (1 - falloff * 2 * t * t);
    const away = (t + 0.5 - shineX) * 1.7;
    shineColumns[x] = strength / (1 + 4 * away * away);
  }
  const rows = new Float32Array(height);
  const shineRows = new Float32Array(height);
  for (let y = 0; y < height; y++) {
    const t = (y + 0.5) / height - 0.5;
    rows[y] = (1 + slopeY * t * 2) * (1 - falloff * t * t);
    const away = (t + 0.5 - shineY) * 1.3;
    shineRows[y] = 1 / (1 + 4 * away * away);
  }
  const tint = 0.006 * draws.normal();
  return { columns, rows, shineColumns, shineRows, channels: [1 + tint, 1, 1 - tint] };
}
