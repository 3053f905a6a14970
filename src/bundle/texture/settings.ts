/** The numbers of the texture model. */

/** Chosen on good parts with pasted defects only (never on test pictures). */
export const texture = {
  size: 256, // px, side of the input
  cell: 8, // px a patch
  orientations: 8,
  angles: 4, // between the first filter and the second
  levels: 3, // full, half and quarter resolution
  wavelength: 3.5, // px of each level
  kernel: 9, // px
  around: 3, // patches, side of the square whose mean goes beside each patch's own features
  floor: 0.01, // added to an energy before its logarithm
  top: 0.003, // share of the patches whose mean is the score
  sigma: 4, // px, smoothing of the map
} as const;

export const grid = texture.size / texture.cell;
