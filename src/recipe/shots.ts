/** Which good parts become shots, what is wrong with them, and how a shot is kept: lossless. */
import sharp from 'sharp';
import { VerdictdError } from '../errors';
import type { RawImage } from '../native';
import type { InputSpec, Quality } from '../ports';
import { median } from './calibrate';
import { difference, type Look, lookOf, sameScene } from './look';

/** One good part as it reaches the model. */
export interface Sample {
  tensor: Float32Array; // [3,height,width]
  quality: Quality;
  /** The picture as it came; null where only the tensor is at hand (frames of a running line). */
  picture: RawImage | null;
  /** The file it was decoded from, byte for byte, where there is one: that is kept then. */
  file?: Uint8Array;
}

export interface GoodPart {
  name: string; // file path, or what a person would call it
  /** The tensor is the caller's: it may be taken away. Throws VerdictdError IMAGE_UNREADABLE. */
  read(): Promise<Sample>;
}

/** Darker or brighter than this no part can be judged later (the inspection's own gate), so none is learned from. */
const meanRange = { least: 8, most: 247 };
/** Beyond these shares of the median a shot is worth a look. */
const unlike = { mean: 0.25, sharpness: 0.5 };

/** Reads parts in turn and tells once why one cannot be used. Keeps coarse figures, no picture. */
export class Reader {
  readonly warnings: string[] = [];
  private readonly looks: { name: string; look: Look }[] = [];
  duplicates = 0;

  /** `input`: what the tensors were preprocessed for. */
  constructor(private readonly input: InputSpec) {}

  /** Null (with a warning) for a picture that cannot be read, is one of before or of the same part lying still, or shows nothing. */
  async read(part: GoodPart): Promise<(Sample & { look: Look }) | null> {
    let sample: Sample;
    try {
      sample = await part.read();
    } catch (thrown) {
      if (!(thrown instanceof VerdictdError) || thrown.code !== 'IMAGE_UNREADABLE') throw thrown;
      return this.leaveOut(thrown.message);
    }
    const { tensor, quality } = sample;
    if (quality.mean < meanRange.least) return this.leaveOut(`${part.name} is black (mean brightness ${quality.mean.toFixed(1)} of 255)`);
    if (quality.mean > meanRange.most) return this.leaveOut(`${part.name} is white (mean brightness ${quality.mean.toFixed(1)} of 255)`);
    const look = lookOf(tensor, this.input);
    const scene = this.looks.find((other) => sameScene(other.look, look));
    if (scene !== undefined) {
      this.duplicates++;
      // sensor noise alone makes two pictures of one scene differ
      if (difference(scene.look, look) === 0) return this.leaveOut(`${part.name} is the same picture as ${scene.name}`);
      return this.leaveOut(`${part.name} is nearly the same picture as ${scene.name}: was the part left lying? Show another good part`);
    }
    this.looks.push({ name: part.name, look });
    return { ...sample, look };
  }

  private leaveOut(why: string): null {
    this.warnings.push(`left out: ${why}`);
    return null;
  }
}

/** `count` indices spread evenly over 0..length-1. */
export function spread(length: number, count: number): number[] {
  return Array.from({ length: Math.min(length, count) }, (_, i) => Math.floor(((i + 0.5) * length) / Math.min(length, count)));
}

/** One sentence for each shot that is much darker, brighter or less sharp than the others. */
export function oddShots(shots: readonly { name: string; quality: Quality }[]): string[] {
  if (shots.length < 3) return [];
  const mean = median(shots.map(({ quality }) => quality.mean));
  const sharpness = median(shots.map(({ quality }) => quality.sharpness));
  return shots.flatMap(({ name, quality }) => {
    const found: string[] = [];
    if (Math.abs(quality.mean - mean) > unlike.mean * mean)
      found.push(
        `${name} is much ${quality.mean < mean ? 'darker' : 'brighter'} than the other shots (mean ${quality.mean.toFixed(0)}, others ${mean.toFixed(0)} of 255)`,
      );
    if (quality.sharpness < unlike.sharpness * sharpness)
      found.push(`${name} is blurred against the other shots (sharpness ${quality.sharpness.toFixed(2)}, others ${sharpness.toFixed(2)})`);
    return found;
  });
}

/** A shot as a file. `bytes` may still be in the making. */
export interface ShotFile {
  bytes: Uint8Array | Promise<Uint8Array>;
  extension: string; // with its point; raw sensor data carries its geometry in front of it
}

/** Kinds of picture that are kept as they came; what is in the name of raw sensor data says how it is read. */
const known = /(_\d{1,6}x\d{1,6}_[A-Za-z0-9]+\.(raw|bayer)|\.(png|jpe?g|tiff?|bmp|dib))$/i;

/**
 * A shot as a file, nothing lost: the file it came from, byte for byte; else PNG for RGB and grey, the raw bytes for Bayer. `name`: of
 * the part.
 */
export function shotFile(name: string, { tensor, picture, file }: Sample, input: InputSpec): ShotFile {
  const kind = known.exec(name)?.[1];
  if (file !== undefined && kind !== undefined) return { bytes: file, extension: /\.(raw|bayer)$/i.test(kind) ? kind : kind.toLowerCase() };
  if (picture === null) return { bytes: png(fromTensor(tensor, input), input.width, input.height, 3), extension: '.png' };
  const { width, height, pixelFormat, stride, data } = picture;
  const channels = pixelFormat === 'RGB8' || pixelFormat === 'BGR8' ? 3 : 1;
  const packed = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) packed.set(data.subarray(y * stride, y * stride + width * channels), y * width * channels);
  if (pixelFormat === 'BGR8')
    for (let at = 0; at < packed.length; at += 3) [packed[at], packed[at + 2]] = [packed[at + 2] ?? 0, packed[at] ?? 0];
  if (pixelFormat.startsWith('Bayer')) return { bytes: packed, extension: `_${width}x${height}_${pixelFormat}.raw` };
  return { bytes: png(packed, width, height, channels), extension: '.png' };
}

/** Of zlib: on castings of 518 px level 1 takes a fifth of the time of level 6, and half as much room again. */
const level = 1;

/** Encodes in a thread of libvips. */
function png(data: Uint8Array, width: number, height: number, channels: 1 | 3): Promise<Uint8Array> {
  const image = sharp(data, { raw: { width, height, channels } }).toColourspace(channels === 1 ? 'b-w' : 'srgb');
  return image.png({ compressionLevel: level, adaptiveFiltering: false, palette: false }).toBuffer();
}

/** The 8 bit grid the tensor was made from; read again at this size it gives the same tensor. */
function fromTensor(tensor: Float32Array, { width, height, mean, std }: InputSpec): Uint8Array {
  const plane = width * height;
  const rgb = new Uint8ClampedArray(3 * plane); // rounds, and bounds to 0..255
  for (let c = 0; c < 3; c++) {
    const gain = (std[c] ?? 1) * 255;
    const offset = (mean[c] ?? 0) * 255;
    for (let at = 0, from = c * plane, to = c; at < plane; at++, from++, to += 3) rgb[to] = (tensor[from] ?? 0) * gain + offset;
  }
  return new Uint8Array(rgb.buffer);
}
