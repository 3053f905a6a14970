/** The parts worth looking at: the bad ones that look best, the good ones that look worst, and the clearest of both. */
import sharp from 'sharp';
import { decodeImage } from '../../camera/images';
import { overlay } from '../../evidence/heatmap';
import { quantile } from '../../stats/quantile';
import { split } from '../figures';
import { aboutThePicture, type Model, type Scored } from '../judge';
import { truthMask } from '../truth';

export interface Shown {
  scored: Scored;
  width: number; // px of the thumbnail
  height: number;
  picture: string; // JPEG as data URI, without the heat
  heat: string; // PNG as data URI, to lie over it
  /** Outline of the ground truth as an SVG path in thumbnail px; null without. */
  outline: string | null;
}

export interface Showcase {
  title: string;
  about: string;
  parts: Shown[];
}

const aRow = 6;
const side = 220; // px of a thumbnail's longer side
/** Of the hottest spot of the median good part: that spot is warm, whatever is half as odd is cold. */
const aboveGood = 1.1;

/** Scores the chosen parts once more, for their maps: maps of all parts would not fit into memory. */
export async function showcase(scored: readonly Scored[], model: Model): Promise<Showcase[]> {
  const { good, bad } = split(scored);
  const rising = (list: readonly Scored[]) => [...list].sort((a, b) => a.score - b.score);
  const [goodRising, badRising] = [rising(good), rising(bad)];
  const rows = [
    { title: 'Defective parts that look best', about: 'where escapes come from', chosen: badRising.slice(0, aRow) },
    { title: 'Good parts that look worst', about: 'where false rejects come from', chosen: goodRising.slice(-aRow).reverse() },
    { title: 'Clearest defects', about: 'the highest scores', chosen: badRising.slice(Math.max(aRow, badRising.length - aRow)).reverse() },
    {
      title: 'Best good parts',
      about: 'the lowest scores',
      chosen: goodRising.slice(0, Math.max(0, Math.min(aRow, goodRising.length - aRow))),
    },
  ];
  // Heat means the same on every part: none below half this, full at twice it. Taken from good parts and not from the limit, which is
  // for the score: a score is a mean over the most distant patches, and the smoothed map does not reach it.
  const typical = quantile(
    (good.length > 0 ? good : bad).map(({ mapMax }) => mapMax),
    0.5,
  );
  const scale = Number.isFinite(typical) && typical > 0 ? aboveGood * typical : 1;
  const shown: Showcase[] = [];
  for (const { title, about, chosen } of rows) {
    const parts: Shown[] = [];
    for (const one of chosen) {
      model.signal.throwIfAborted();
      const part = await show(one, model, scale);
      if (part !== null) parts.push(part);
    }
    if (parts.length > 0) shown.push({ title, about, parts });
  }
  return shown;
}

async function show(scored: Scored, model: Model, scale: number): Promise<Shown | null> {
  const { item } = scored;
  try {
    const { map } = await model.run((await model.read(item.path)).tensor, 'full');
    const whole = await decodeImage(item.path);
    const channels = whole.pixelFormat === 'RGB8' || whole.pixelFormat === 'BGR8' ? 3 : 1;
    const fitted = sharp(packed(whole, channels), { raw: { width: whole.width, height: whole.height, channels } })
      .resize(side, side, { fit: 'inside' })
      .toColourspace('srgb');
    const { data, info } = await fitted.jpeg({ quality: 78 }).toBuffer({ resolveWithObject: true });
    const { width, height } = info;
    const heat = map === null ? null : overlay({ ...model.map, data: map }, scale);
    const layer =
      heat === null
        ? ''
        : await uri(sharp(heat.data, { raw: { width: heat.width, height: heat.height, channels: 4 } }).png({ compressionLevel: 9 }), 'png');
    return {
      scored,
      width,
      height,
      picture: dataUri(data, 'jpeg'),
      heat: layer,
      outline: await outlineOf(scored, whole, { width, height }),
    };
  } catch (thrown) {
    if (!aboutThePicture(thrown)) throw thrown;
    return null;
  }
}

function packed(
  { width, height, stride, data }: { width: number; height: number; stride: number; data: Uint8Array },
  channels: number,
): Uint8Array {
  if (stride === width * channels) return data;
  const out = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) out.set(data.subarray(y * stride, y * stride + width * channels), y * width * channels);
  return out;
}

const dataUri = (bytes: Buffer, kind: string): string => `data:image/${kind};base64,${bytes.toString('base64')}`;

async function uri(image: sharp.Sharp, kind: string): Promise<string> {
  return dataUri(await image.toBuffer(), kind);
}

/** The border between defective and sound cells, as runs of horizontal and vertical lines. */
async function outlineOf(
  { item }: Scored,
  picture: { width: number; height: number },
  grid: { width: number; height: number },
): Promise<string | null> {
  if (item.truth === null) return null;
  const mask = await truthMask(item.truth, picture, grid).catch(() => null); // the evaluation has told what is wrong with it
  if (mask === null) return null;
  const { width, height } = grid;
  const at = (x: number, y: number): number => (x < 0 || y < 0 || x >= width || y >= height ? 0 : (mask[y * width + x] ?? 0));
  let path = '';
  for (let y = 0; y <= height; y++)
    for (let x = 0; x < width; x++) {
      if (at(x, y) === at(x, y - 1)) continue;
      const from = x;
      while (x + 1 < width && at(x + 1, y) !== at(x + 1, y - 1)) x++;
      path += `M${from} ${y}H${x + 1}`;
    }
  for (let x = 0; x <= width; x++)
    for (let y = 0; y < height; y++) {
      if (at(x, y) === at(x - 1, y)) continue;
      const from = y;
      while (y + 1 < height && at(x, y + 1) !== at(x - 1, y + 1)) y++;
      path += `M${x} ${from}V${y + 1}`;
    }
  return path;
}
