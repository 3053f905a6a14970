import { monotonicMs } from '../clock';
import { preprocess } from '../native';
import type { InputSpec, Ms, Quality } from '../ports';
import { decodeImage } from './images';

/** A picture file as the model sees it. */
export interface Picture {
  width: number; // px of the file
  height: number;
  tensor: Float32Array; // [3, input.height, input.width]
  quality: Quality;
  ms: { decode: Ms; preprocess: Ms };
}

/** Decodes and preprocesses one file, off this thread. Throws IMAGE_UNREADABLE. */
export async function readPicture(path: string, input: InputSpec): Promise<Picture> {
  const began = monotonicMs();
  const image = await decodeImage(path);
  const decoded = monotonicMs();
  const { tensor, quality } = await preprocess(image, input);
  const { width, height } = image;
  return { width, height, tensor, quality, ms: { decode: decoded - began, preprocess: monotonicMs() - decoded } };
}
