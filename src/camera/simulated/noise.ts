/** Noise that tiles: a square of values about -1..1, sampled with wrap-around. */
import { mix } from './numbers';

export interface Tile {
  size: number; // a power of two
  data: Float32Array;
}

/**
 * Value noise summed over octaves, periodic in `size`. `cellsX`, `cellsY` are the lattice cells of the first octave across the
 * tile: few cells along one axis and many along the other give brush marks or grain. `fall` is the amplitude ratio of octaves.
 */
export function noiseTile(size: number, cellsX: number, cellsY: number, octaves: number, key: number, fall = 0.5): Tile {
  const data = new Float32Array(size * size);
  let amplitude = 1;
  let power = 0;
  for (let octave = 0; octave < octaves; octave++) {
    addOctave(data, size, Math.min(cellsX << octave, size), Math.min(cellsY << octave, size), mix(key, octave), amplitude);
    power += amplitude * amplitude;
    amplitude *= fall;
  }
  const scale = 1 / Math.sqrt(power);
  for (let i = 0; i < data.length; i++) data[i] = (data[i] ?? 0) * scale;
  return { size, data };
}

function addOctave(data: Float32Array, size: number, nx: number, ny: number, key: number, amplitude: number): void {
  const lattice = new Float32Array(nx * ny);
  for (let i = 0; i < lattice.length; i++) lattice[i] = (mix(key, i) / 2147483648 - 1) * amplitude;
  const lower = new Int32Array(size);
  const upper = new Int32Array(size);
  const part = new Float32Array(size);
  for (let x = 0; x < size; x++) {
    const at = (x * nx) / size;
    const cell = Math.floor(at);
    const t = at - cell;
    lower[x] = cell;
    upper[x] = (cell + 1) % nx;
    part[x] = t * t * (3 - 2 * t);
  }
  for (let y = 0; y < size; y++) {
    const at = (y * ny) / size;
    const cell = Math.floor(at);
    const t = at - cell;
    const fy = t * t * (3 - 2 * t);
    const top = cell * nx;
    const bottom = ((cell + 1) % ny) * nx;
    for (let x = 0; x < size; x++) {
      const a = lower[x] as number;
      const b = upper[x] as number;
      const fx = part[x] as number;
      const up = (lattice[top + a] as number) * (1 - fx) + (lattice[top + b] as number) * fx;
      const down = (lattice[bottom + a] as number) * (1 - fx) + (lattice[bottom + b] as number) * fx;
      data[y * size + x] = (data[y * size + x] as number) + up * (1 - fy) + down * fy;
    }
  }
}

/** Bilinear sample at (x, y) in tile lengths: one unit is one tile. */
export function sample(tile: Tile, x: number, y: number): number {
  const mask = tile.size - 1;
  const px = x * tile.size;
  const py = y * tile.size;
  const ix = Math.floor(px);
  const iy = Math.floor(py);
  const fx = px - ix;
  const fy = py - iy;
  const data = tile.data;
  const x0 = ix & mask;
  const x1 = (ix + 1) & mask;
  const r0 = (iy & mask) * tile.size;
  const r1 = ((iy + 1) & mask) * tile.size;
  const a = data[r0 + x0] as number;
  const b = data[r0 + x1] as number;
  const c = data[r1 + x0] as number;
  const d = data[r1 + x1] as number;
  return a + (b - a) * fx + (c - a + (a - b - c + d) * fx) * fy;
}
