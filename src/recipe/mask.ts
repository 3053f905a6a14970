/** A drawn ignore mask as a recipe keeps it: a grid of 128 x 128 cells over the whole picture. */
import sharp from 'sharp';
import { reason, VerdictdError } from '../errors';
import type { RegionRules } from '../inspect/regions';

const side = 128;

/** White (128 and above, of the mean over the cell) is ignored. Any format sharp reads. Throws IMAGE_UNREADABLE. */
export async function readMask(path: string): Promise<NonNullable<RegionRules['mask']>> {
  let cells: Uint8Array;
  try {
    cells = await sharp(path).flatten().greyscale().resize(side, side, { fit: 'fill', kernel: 'linear' }).raw().toBuffer();
  } catch (thrown) {
    throw new VerdictdError(
      'IMAGE_UNREADABLE',
      `the mask ${path} cannot be read (${reason(thrown)}). Give a PNG or JPEG, white where to ignore`,
      {
        cause: thrown,
      },
    );
  }
  let bits = '';
  for (let at = 0; at < side * side; at += 4) {
    let digit = 0;
    for (let i = 0; i < 4; i++) digit = digit * 2 + ((cells[at + i] ?? 0) >= 128 ? 1 : 0);
    bits += digit.toString(16);
  }
  return { columns: side, rows: side, bits };
}
