/** Region rules on the command line: where a defect counts, how large it must be, how many. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Rectangle, RegionRules } from '../inspect/regions';
import { readMask } from '../recipe/mask';
import { integer, number } from './options';

export interface RegionOptions {
  only?: Rectangle[];
  ignore?: Rectangle[];
  ignoreMask?: string;
  minArea?: number;
  topRegions?: number;
}

/** X,Y,WIDTH,HEIGHT as shares of the picture. */
function rectangles(text: string, before: Rectangle[] | undefined): Rectangle[] {
  const found = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  const [x, y, width, height] = found;
  const sound = found.length === 4 && found.every((share) => share >= 0 && share <= 1);
  if (!sound || x === undefined || y === undefined || !width || !height)
    throw new InvalidArgumentError('Expected X,Y,WIDTH,HEIGHT as shares of the picture from 0 to 1, such as 0.1,0.1,0.8,0.5.');
  return [...(before ?? []), [x, y, width, height]];
}

export function addRegionOptions(command: Command): Command {
  return command
    .option('--only <x,y,w,h>', 'a defect counts only here, as shares of the picture; may be given several times', rectangles)
    .option('--ignore <x,y,w,h>', 'no defect counts here; may be given several times', rectangles)
    .option('--ignore-mask <file>', 'picture, white where no defect counts')
    .option('--min-area <share>', 'smallest defect that counts, as a share of the picture', number(0, 1))
    .option('--top-regions <k>', 'the score is the mean of the K strongest regions', integer(1, 16));
}

/** Null where none of the options was given: the bank's own score stays. */
export async function regionRules({ only, ignore, ignoreMask, minArea, topRegions }: RegionOptions): Promise<RegionRules | null> {
  if ([only, ignore, ignoreMask, minArea, topRegions].every((one) => one === undefined)) return null;
  const mask = ignoreMask === undefined ? null : await readMask(ignoreMask);
  return { include: only ?? [], ignore: ignore ?? [], mask, minArea: minArea ?? 0, top: topRegions ?? 1 };
}
