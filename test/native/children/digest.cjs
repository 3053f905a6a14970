// SHA-256 of what preprocessing makes of a few pictures, with the kernels that VERDICTD_KERNELS asks for.
const { createHash } = require('node:crypto');
const { preprocess } = require('../../../dist/native.js');

const hash = createHash('sha256');
async function main() {
  for (const [width, height, side] of [
    [1012, 536, 128],
    [333, 77, 50],
    [40, 2000, 24],
    [60, 50, 120],
  ]) {
    for (const pixelFormat of ['BayerRG8', 'BayerGB8', 'RGB8', 'Mono8']) {
      const stride = width * (pixelFormat === 'RGB8' ? 3 : 1);
      const data = new Uint8Array(stride * height).map((_, i) => (Math.imul(i, 2654435761) >>> 24) ^ (i >> 5));
      const input = { width: side, height: side, resize: 'bicubic', fit: 'squash', mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4] };
      const made = await preprocess({ width, height, stride, pixelFormat, data }, input, { thumbnailWidth: 64 });
      hash.update(made.tensor).update(made.thumbnail.data).update(JSON.stringify(made.quality));
    }
  }
  console.log(hash.digest('hex'));
}
main().catch((error) => {
  throw error;
});
