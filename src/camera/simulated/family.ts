import type { Canvas, Surface } from './canvas';
import { noiseTile, sample } from './noise';
import type { Draws } from './numbers';
import { mix } from './numbers';

/** How the surface differs from part to part, beside light and position. */
export interface Look {
  /** Texture of the single part: lattice cells per frame width along x and y, octaves, and its strength in grey levels at grain 7. */
  grain: { x: number; y: number; octaves: number; amount: number };
  /** Grey levels that the highlight adds at gloss 7. */
  gloss: number;
}

/** A kind of product. `paint` draws product number `key` onto a canvas; `web` goods repeat without a seam in both directions. */
export interface Family {
  web: boolean;
  paint(canvas: Canvas, draws: Draws, aspect: number, key: number): Look;
}

/** A tone around 1 from tiled noise: `x`, `y` tiles per frame width (per period for web goods), amplitude `amount`. */
export function grainTone(key: number, tilesX: number, tilesY: number, cellsX: number, cellsY: number, amount: number, octaves = 4) {
  const tile = noiseTile(512, cellsX, cellsY, octaves, mix(key, 0x6772));
  return (x: number, y: number): number => 1 + amount * sample(tile, x * tilesX, y * tilesY);
}

/** The fixture or belt under a part: dark, matt, slightly uneven. */
export function ground(canvas: Canvas, key: number, level: number): void {
  const cloud = grainTone(mix(key, 1), 1, 1, 3, 3, 0.08, 5);
  const fine = grainTone(mix(key, 2), 5, 5, 64, 64, 0.1, 3);
  const surface: Surface = {
    color: [level, level * 1.02, level * 1.06],
    tone: (x, y) => cloud(x, y) * fine(x, y),
    gloss: 0,
    grain: 1,
    part: false,
  };
  canvas.cover(surface);
}
