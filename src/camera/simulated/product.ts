/**
 * A product: its own picture, painted once at the resolution asked for and kept for the parts that follow. Painting takes
 * seconds at full camera resolution, a part of it a fraction of one.
 */
import { Canvas } from './canvas';
import { type FamilyName, families } from './families';
import type { Look } from './family';
import { noiseTile } from './noise';
import { Draws, keyOf } from './numbers';

export interface ProductSpec {
  family: FamilyName;
  /** Which product of the family: its layout, colours and sizes. */
  product: number;
  width: number; // px of the sensor image
  height: number; // px
}

export interface Product {
  spec: ProductSpec;
  web: boolean;
  look: Look;
  layer: Canvas; // with a margin around the frame; exactly one repeat for web goods
  marginPx: number;
  /** Texture of single parts at sensor resolution, a square of 2^n. */
  grain: Int8Array; // 127 = 2 standard deviations
  grainSize: number;
}

/** Room for shifted and turned parts, in frame widths. */
const margin = 0.03;
const kept = 2;
const cache = new Map<string, Product>();

/** How much finer than the sensor the product is painted: small pictures would alias. */
function oversampling(width: number): number {
  if (width <= 640) return 3;
  return width <= 1600 ? 2 : 1;
}

function paint(spec: ProductSpec): Product {
  const family = families[spec.family];
  const key = keyOf(`product/${spec.family}`, spec.product);
  const n = oversampling(spec.width);
  const marginPx = family.web ? 0 : Math.ceil(spec.width * margin);
  const large = new Canvas(
    (spec.width + 2 * marginPx) * n,
    (spec.height + 2 * marginPx) * n,
    spec.width * n,
    -marginPx / spec.width,
    -marginPx / spec.width,
  );
  const look = family.paint(large, new Draws(key), spec.height / spec.width, key);
  const grainSize = spec.width <= 1024 ? 512 : 1024;
  // Lattice cells a frame width, brought to the tile; what is finer than a pixel averages out.
  const cells = (perFrame: number): number => Math.max(2, Math.min(grainSize, Math.round((perFrame * grainSize) / spec.width)));
  const tile = noiseTile(grainSize, cells(look.grain.x), cells(look.grain.y), look.grain.octaves, key);
  const finer = Math.max(look.grain.x, look.grain.y) / spec.width;
  const kept = finer > 0.5 ? 0.5 / finer : 1;
  const grain = new Int8Array(tile.data.length);
  for (let i = 0; i < grain.length; i++) grain[i] = Math.max(-127, Math.min(127, Math.round((tile.data[i] as number) * 100 * kept)));
  return { spec, web: family.web, look, layer: large.reduced(n), marginPx, grain, grainSize };
}

/** The product painted, from memory where it was asked for lately. */
export function productOf(spec: ProductSpec): Product {
  const name = `${spec.family}/${spec.product}/${spec.width}x${spec.height}`;
  let product = cache.get(name);
  if (product === undefined) {
    product = paint(spec);
    const oldest = cache.keys().next().value;
    if (cache.size >= kept && oldest !== undefined) cache.delete(oldest);
  } else cache.delete(name);
  cache.set(name, product);
  return product;
}
