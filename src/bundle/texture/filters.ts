/**
 * Constants of the texture model. Every number is rounded to a multiple of 2^-20, so that the model comes out the same, bit
 * for bit, on every machine whatever the last bit of its exp and cos.
 */
export const quantum = 2 ** -20;

export function rounded(x: number): number {
  return Math.round(x / quantum) * quantum;
}

/**
 * Quadrature pair of Gabor filters at `orientations` angles: even and odd phase, zero mean, unit energy; [2*orientations,1,size,size].
 * sigma = half the wavelength gives a bandwidth of about one octave. J. G. Daugman, J. Opt. Soc. Am. A 2 (1985) 1160.
 */
export function gaborPairs(orientations: number, wavelength: number, size: number): Float32Array {
  const sigma = wavelength / 2;
  const centre = (size - 1) / 2;
  const bank = new Float32Array(2 * orientations * size * size);
  for (let o = 0; o < orientations; o++) {
    const angle = (Math.PI * o) / orientations;
    for (const phase of [0, 1]) {
      const filter = Array.from({ length: size * size }, (_, at) => {
        const x = (at % size) - centre;
        const y = Math.floor(at / size) - centre;
        const along = (2 * Math.PI * (x * Math.cos(angle) + y * Math.sin(angle))) / wavelength;
        return Math.exp(-(x * x + y * y) / (2 * sigma * sigma)) * (phase === 0 ? Math.cos(along) : Math.sin(along));
      });
      const mean = filter.reduce((sum, v) => sum + v, 0) / filter.length;
      const norm = Math.sqrt(filter.reduce((sum, v) => sum + (v - mean) ** 2, 0));
      filter.forEach((v, at) => {
        bank[(phase * orientations + o) * size * size + at] = rounded((v - mean) / norm);
      });
    }
  }
  return bank;
}

/**
 * For each of `angles` orientations the pairs of gaborPairs beginning with its own: group g holds the even filters at angles g, g+1, ...
 * (modulo `angles`), then the odd ones. [2*angles*angles,1,size,size].
 */
export function turnedPairs(angles: number, wavelength: number, size: number): Float32Array {
  const pairs = gaborPairs(angles, wavelength, size);
  const one = size * size;
  const out = new Float32Array(angles * pairs.length);
  for (let group = 0, at = 0; group < angles; group++)
    for (let phase = 0; phase < 2; phase++)
      for (let turn = 0; turn < angles; turn++, at += one) {
        const from = (phase * angles + ((group + turn) % angles)) * one;
        out.set(pairs.subarray(from, from + one), at);
      }
  return out;
}
