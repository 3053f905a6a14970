import { VerdictdError } from '../errors';

/** Largest picture that is decoded, in pixels: above every sensor in use, below what fills a small board's memory (192 MB as RGB). */
export const maxPixels = 64_000_000;

/** An image that is not judged: what came, what was expected, what to do. */
export function refusal(name: string, came: string, expected: string, todo: string, cause?: unknown): VerdictdError {
  return new VerdictdError('IMAGE_UNREADABLE', `${name}: ${came}; expected ${expected}. ${todo}`, { cause });
}

/** Throws where a header claims no pixels, or more than `bound`. Called before anything is allocated for them. */
export function checkSize(name: string, width: number, height: number, bound: number): void {
  if (width < 1 || height < 1) {
    throw refusal(name, `its header claims ${width}x${height} pixels`, 'at least 1x1', 'The file is damaged: save or copy it again.');
  }
  if (width * height > bound) {
    throw refusal(
      name,
      `its header claims ${width}x${height} = ${Math.round((width * height) / 1e6)} megapixels`,
      `at most ${bound / 1e6} megapixels`,
      'Crop or scale it down.',
    );
  }
}
