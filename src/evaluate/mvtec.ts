/** The MVTec layout: train/good, test/good, test/KIND, ground_truth/KIND/NAME_mask.png. */
import { readdir } from 'node:fs/promises';
import { join, parse, relative } from 'node:path';
import { listImages } from '../camera/list';
import { VerdictdError } from '../errors';
import { readBoxes } from './boxes';
import type { GroundTruth, Item, ProductSet } from './item';

/** Pictures below `folder`; none, with a sentence, where it is empty. A folder that is not there is empty. */
async function pictures(folder: string, root: string, problems: string[]): Promise<string[]> {
  try {
    return await listImages(folder);
  } catch (thrown) {
    if (!(thrown instanceof VerdictdError)) throw thrown;
    problems.push(`${relative(root, folder)} holds no picture`);
    return [];
  }
}

async function folders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .sort();
}

/** Masks by the name of their picture without extension: NAME.png or NAME_mask.png. */
async function masksOf(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile() && /\.(png|bmp|tiff?|jpe?g)$/i.test(entry.name));
  return new Map(files.map(({ name }) => [parse(name).name.replace(/_mask$/, ''), join(folder, name)]));
}

/** `folder`: of one product; names are relative to `root`. */
export async function readMvtec(folder: string, root: string): Promise<ProductSet> {
  const problems: string[] = [];
  const train = (await folders(folder)).includes('train') ? await pictures(join(folder, 'train', 'good'), root, problems) : [];
  const boxes = await readBoxes(folder);
  const test: Item[] = [];
  for (const kind of await folders(join(folder, 'test'))) {
    const good = kind === 'good';
    const masks = good ? new Map<string, string>() : await masksOf(join(folder, 'ground_truth', kind));
    for (const path of await pictures(join(folder, 'test', kind), root, problems)) {
      const own = parse(path).name;
      const mask = masks.get(own);
      masks.delete(own);
      const drawn = boxes?.of(relative(folder, path)) ?? null;
      const truth: GroundTruth | null =
        mask !== undefined ? { kind: 'mask', path: mask } : drawn === null ? null : { kind: 'boxes', boxes: drawn };
      if (good && truth !== null) problems.push(`${relative(root, path)} is good, and boxes are drawn on it; the boxes are left out`);
      test.push({ name: relative(root, path), path, good, defect: good ? null : kind, truth: good ? null : truth });
    }
    for (const mask of masks.values()) problems.push(`${relative(root, mask)} is a mask of no picture`);
  }
  return { train, test, problems: [...problems, ...(boxes?.unused() ?? [])] };
}
