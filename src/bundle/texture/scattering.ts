/**
 * Scattering transform of two orders (Bruna & Mallat, IEEE TPAMI 35 (2013) 1872): moduli of Gabor responses, and moduli of the Gabor
 * responses of those moduli, averaged over each patch. The first says which edges and grains a patch has, the second how they are laid out.
 * All logarithms: a gain of the light is an offset.
 */
import type { Value } from '../../onnx/graph';
import { add, averagePool, conv, log, maxPool, mul, padEdge, reduceMean, reshape, slice, sqrt } from '../../onnx/ops';
import { gaborPairs, turnedPairs } from './filters';
import { texture } from './settings';

/** Logarithm of an energy (>= 0). */
export const compress = (energy: Value): Value => log(add(energy, texture.floor));

/** Which level's moduli are filtered again at which coarser level. */
const second = [
  [0, 1],
  [0, 2],
  [1, 2],
] as const;

/** `luma` [1,1,size,size] to feature planes [1,n,grid,grid]. */
export function scattering(luma: Value): Value[] {
  const moduli: Value[] = [];
  let level = luma;
  for (let l = 0; l < texture.levels; l++) {
    if (l > 0) level = halved(level);
    moduli.push(firstOrder(level, l));
  }
  return [...moduli.flatMap(pooled), ...second.map(([from, to]) => secondOrder(moduli[from] as Value, from, to))];
}

const halved = (x: Value): Value => averagePool(x, { kernel: [2, 2], stride: 2 });

/** Modulus of every orientation: [1,orientations,h,w]. */
function firstOrder(level: Value, l: number): Value {
  const { orientations, kernel, wavelength } = texture;
  const filters = gaborPairs(orientations, wavelength, kernel);
  const weight = level.graph.weight(`gabor_${l}`, [2 * orientations, 1, kernel, kernel], filters);
  const response = conv(padEdge(level, (kernel - 1) / 2), weight, null);
  return modulus(slice(response, 1, 0, orientations), slice(response, 1, orientations, 2 * orientations));
}

const modulus = (even: Value, odd: Value): Value => sqrt(add(add(mul(even, even), mul(odd, odd)), 1e-6));

/** Logarithms of mean and maximum over windows half as wide again as a patch; on the coarsest level, whose patches are 2 px, of the mean over 4 px. */
function pooled(energy: Value, l: number): Value[] {
  const cell = texture.cell / 2 ** l;
  if (cell < 4) return [compress(averagePool(energy, { kernel: [4, 4], stride: cell, pad: (4 - cell) / 2 }))];
  const window = { kernel: [1.5 * cell, 1.5 * cell], stride: cell, pad: cell / 4 } as const;
  return [compress(averagePool(energy, window)), compress(maxPool(energy, window))];
}

/**
 * Every second orientation of `moduli` (level `from`) filtered at level `to`, at four angles to its own, and averaged over those
 * orientations: what is left depends on the angle between the two alone, so it stays when the part is turned. [1,4,grid,grid].
 */
function secondOrder(moduli: Value, from: number, to: number): Value {
  const { angles, kernel, wavelength, orientations } = texture;
  const [, , h = 0, w = 0] = moduli.shape;
  const step = orientations / angles;
  let carriers = reshape(slice(reshape(moduli, [1, angles, step, h * w]), 2, 0, 1), [1, angles, h, w]);
  for (let l = from; l < to; l++) carriers = halved(carriers);
  const weight = carriers.graph.weight(
    `gabor_${from}_${to}`,
    [2 * angles * angles, 1, kernel, kernel],
    turnedPairs(angles, wavelength, kernel),
  );
  const response = conv(padEdge(carriers, (kernel - 1) / 2), weight, null, { group: angles });
  const [, , rows = 0, columns = 0] = response.shape;
  const each = reshape(response, [angles, 2 * angles, rows, columns]);
  const mean = reduceMean(modulus(slice(each, 1, 0, angles), slice(each, 1, angles, 2 * angles)), [0], true);
  const cell = texture.cell / 2 ** to;
  const window =
    cell < 4 ? ({ kernel: [4, 4], stride: cell, pad: (4 - cell) / 2 } as const) : ({ kernel: [cell, cell], stride: cell } as const);
  return compress(averagePool(mean, window));
}
