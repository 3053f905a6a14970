/**
 * An anomaly map as something to look at. Pure.
 */

/** A map above this many cells a side tells a person nothing more; the picture is scaled up smoothly anyway. */
const maxSide = 128;

export interface Rgba {
  width: number;
  height: number;
  data: Buffer;
}

/** Blue (cool) over yellow to red (hot) for 0..1; readable for the colour-blind by its brightness. */
function heat(t: number): [number, number, number] {
  const clamp = (v: number) => Math.round(255 * Math.min(1, Math.max(0, v)));
  return [clamp(1.6 * t), clamp(t < 0.5 ? 1.4 * t : 1.6 - 1.5 * t), clamp(0.7 - 1.4 * t)];
}

/**
 * `map` (row major, the unit of `limit`) as a translucent overlay: nothing below half the limit, full heat at twice the limit, so
 * that colour means the same on every picture of a recipe. Cells are block maxima: a small defect must not average away.
 */
export function overlay(map: { width: number; height: number; data: Float32Array }, limit: number): Rgba {
  const step = Math.max(1, Math.ceil(Math.max(map.width, map.height) / maxSide));
  const width = Math.ceil(map.width / step);
  const height = Math.ceil(map.height / step);
  const data = Buffer.alloc(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const t = (blockMax(map, x * step, y * step, step) / limit - 0.5) / 1.5;
      const [r, g, b] = heat(t);
      const at = (y * width + x) * 4;
      data[at] = r;
      data[at + 1] = g;
      data[at + 2] = b;
      data[at + 3] = Math.round(255 * 0.65 * Math.min(1, Math.max(0, t * 2)));
    }
  }
  return { width, height, data };
}

function blockMax(map: { width: number; height: number; data: Float32Array }, x0: number, y0: number, step: number): number {
  let max = 0;
  for (let y = y0; y < Math.min(y0 + step, map.height); y++) {
    for (let x = x0; x < Math.min(x0 + step, map.width); x++) max = Math.max(max, map.data[y * map.width + x] ?? 0);
  }
  return max;
}
