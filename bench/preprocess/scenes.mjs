// Scenes as a camera behind a colour mosaic sees them (BayerRG8), and the two-step reference. Made up here, from a seed.

/** 0..1, deterministic (mulberry32). */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const clip8 = (v) => Math.min(255, Math.max(0, Math.round(v)));

/** Shades at all scales with an amplitude falling as 1/f, some hundred discs with sharp rims, sensor noise. */
export function natural(width, height, seed) {
  const next = random(seed);
  const rgb = [new Float32Array(width * height), new Float32Array(width * height), new Float32Array(width * height)];
  for (const plane of rgb) plane.fill(118);
  for (let cells = 4; cells < width / 2; cells *= 2) {
    const rows = Math.max(2, Math.round((cells * height) / width));
    const grids = rgb.map(() => Float32Array.from({ length: (cells + 2) * (rows + 2) }, () => (next() - 0.5) * (220 / Math.sqrt(cells))));
    for (let y = 0; y < height; y++) {
      const v = (y * rows) / height;
      const [j, fy] = [Math.floor(v), v - Math.floor(v)];
      for (let x = 0; x < width; x++) {
        const u = (x * cells) / width;
        const i = Math.floor(u);
        const fx = u - i;
        const at = j * (cells + 2) + i;
        for (let c = 0; c < 3; c++) {
          const g = grids[c];
          const top = g[at] + (g[at + 1] - g[at]) * fx;
          const bottom = g[at + cells + 2] + (g[at + cells + 3] - g[at + cells + 2]) * fx;
          rgb[c][y * width + x] += top + (bottom - top) * fy;
        }
      }
    }
  }
  for (let n = 0; n < 150; n++) {
    const [cx, cy, r] = [next() * width, next() * height, (0.005 + 0.04 * next()) * width];
    const tint = rgb.map(() => (next() - 0.5) * 120);
    for (let y = Math.max(0, Math.floor(cy - r - 3)); y < Math.min(height, cy + r + 3); y++) {
      for (let x = Math.max(0, Math.floor(cx - r - 3)); x < Math.min(width, cx + r + 3); x++) {
        const inside = 1 / (1 + Math.exp((Math.hypot(x - cx, y - cy) - r) / 0.5));
        for (let c = 0; c < 3; c++) rgb[c][y * width + x] += tint[c] * inside;
      }
    }
  }
  return mosaic(width, height, (y, x, c) => rgb[c][y * width + x] + (next() + next() - 1) * 4);
}

/** Copper lines one to five pixels wide, pads and silk screen on a dark green board: the hard case for a mosaic. */
export function board(width, height, seed) {
  const next = random(seed);
  const kinds = [
    [22, 70, 40],
    [70, 130, 75],
    [190, 180, 120],
    [205, 205, 205],
  ];
  const kind = new Uint8Array(width * height);
  const fill = (x0, y0, w, h, value) => {
    for (let y = Math.max(0, y0); y < Math.min(height, y0 + h); y++) kind.fill(value, y * width + x0, y * width + Math.min(width, x0 + w));
  };
  for (let n = 0; n < (width * height) / 2500; n++) {
    const [x, y] = [Math.floor(next() * width), Math.floor(next() * height)];
    const [long, thin] = [20 + Math.floor(next() * 300), 1 + Math.floor(next() * 5)];
    if (n % 4 === 0) fill(x, y, long, thin, 1);
    else if (n % 4 === 1) fill(x, y, thin, long, 1);
    else if (n % 4 === 2) fill(x, y, 8 + 3 * thin, 8 + 2 * thin, 2);
    else fill(x, y, thin, 6 + 3 * thin, 3);
  }
  // A lens: each pixel a mean of its neighbourhood (1 2 1 both ways).
  const at = (y, x, c) => kinds[kind[Math.min(height - 1, Math.max(0, y)) * width + Math.min(width - 1, Math.max(0, x))]][c];
  const row = (y, x, c) => at(y, x - 1, c) + 2 * at(y, x, c) + at(y, x + 1, c);
  return mosaic(width, height, (y, x, c) => (row(y - 1, x, c) + 2 * row(y, x, c) + row(y + 1, x, c)) / 16 + (next() + next() - 1) * 3);
}

/** White noise: worse than any scene. */
export function noise(width, height, seed) {
  const next = random(seed);
  return mosaic(width, height, () => next() * 255);
}

function mosaic(width, height, value) {
  const data = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data[y * width + x] = clip8(value(y, x, (y & 1) + (x & 1)));
  }
  return data;
}

/** Bilinear demosaic of BayerRG8 as OpenCV's (rounded means; the border repeats its inner neighbour), interleaved RGB. */
export function demosaic(data, width, height) {
  const out = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const v = Math.min(Math.max(y, 1), height - 2);
    for (let x = 0; x < width; x++) {
      const u = Math.min(Math.max(x, 1), width - 2);
      const i = v * width + u;
      const own = data[i];
      const across = data[i - 1] + data[i + 1];
      const along = data[i - width] + data[i + width];
      const o = (y * width + x) * 3;
      if ((v & 1) === (u & 1)) {
        const corners = (data[i - width - 1] + data[i - width + 1] + data[i + width - 1] + data[i + width + 1] + 2) >> 2;
        out[o] = v & 1 ? corners : own;
        out[o + 1] = (across + along + 2) >> 2;
        out[o + 2] = v & 1 ? own : corners;
      } else {
        out[o] = ((v & 1 ? along : across) + 1) >> 1;
        out[o + 1] = own;
        out[o + 2] = ((v & 1 ? across : along) + 1) >> 1;
      }
    }
  }
  return out;
}
