/** Where the defect is, on the grid of an anomaly map. */
import { decodeImage } from '../camera/images';
import { VerdictdError } from '../errors';
import type { Box, GroundTruth } from './item';

interface Size {
  width: number;
  height: number;
}

/**
 * 1 where defective, on a grid of `grid`, for a picture of `picture` px: each cell is what the mask is at its middle; a defect so small that
 * it lies between all the middles marks the cells it touches. Throws DATASET_REFUSED with a sentence for a mask of another size than its
 * picture, one that cannot be read, or one without any defect.
 */
export async function truthMask(truth: GroundTruth, picture: Size, grid: Size): Promise<Uint8Array> {
  if (truth.kind === 'boxes') return scaled(drawn(truth.boxes, picture), picture, grid, 'its boxes mark nothing inside the picture');
  const { width, height, data, stride, pixelFormat } = await decodeImage(truth.path).catch((thrown: unknown) => {
    if (thrown instanceof VerdictdError)
      throw new VerdictdError('DATASET_REFUSED', `its mask cannot be read: ${thrown.message}`, { cause: thrown });
    throw thrown;
  });
  if (width !== picture.width || height !== picture.height)
    throw new VerdictdError(
      'DATASET_REFUSED',
      `its mask ${truth.path} has ${width} x ${height} px, the picture ${picture.width} x ${picture.height}. Expected the same size`,
    );
  const channels = pixelFormat === 'RGB8' || pixelFormat === 'BGR8' ? 3 : 1;
  // JPEG masks are seldom 0 and 255 only: half the scale is the border; masks of 0 and 1 have nothing above it.
  const most = data.reduce((found, value) => Math.max(found, value), 0);
  const border = most > 1 ? 127 : 0;
  const whole = new Uint8Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) whole[y * width + x] = (data[y * stride + x * channels] ?? 0) > border ? 1 : 0;
  return scaled(whole, picture, grid, `its mask ${truth.path} marks nothing`);
}

function drawn(boxes: readonly Box[], { width, height }: Size): Uint8Array {
  const mask = new Uint8Array(width * height);
  for (const box of boxes) {
    const right = Math.min(width, Math.ceil(box.x + box.width));
    const bottom = Math.min(height, Math.ceil(box.y + box.height));
    for (let y = Math.max(0, Math.floor(box.y)); y < bottom; y++)
      mask.fill(1, y * width + Math.max(0, Math.floor(box.x)), y * width + Math.max(0, right));
  }
  return mask;
}

function scaled(mask: Uint8Array, from: Size, to: Size, nothing: string): Uint8Array {
  const out = new Uint8Array(to.width * to.height);
  const touched = new Uint8Array(out.length);
  for (let y = 0; y < to.height; y++) {
    const row = Math.floor(((y + 0.5) * from.height) / to.height) * from.width;
    for (let x = 0; x < to.width; x++) out[y * to.width + x] = mask[row + Math.floor(((x + 0.5) * from.width) / to.width)] ?? 0;
  }
  if (out.includes(1)) return out;
  for (let i = mask.indexOf(1); i >= 0; i = mask.indexOf(1, i + 1)) {
    const x = Math.floor(((i % from.width) * to.width) / from.width);
    const y = Math.floor((Math.floor(i / from.width) * to.height) / from.height);
    touched[y * to.width + x] = 1;
  }
  if (!touched.includes(1)) throw new VerdictdError('DATASET_REFUSED', nothing);
  return touched;
}
