/** A labelled set of pictures, whatever its layout: what is there to teach from, what to test, and what is wrong with it. */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { reason } from '../errors';
import { checkHashes } from './hashes';
import { type Dataset, refuseDataset } from './item';
import { readLabels } from './labels';
import { readMeta } from './meta';
import { readMvtec } from './mvtec';

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() === true;
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isFile() === true;
}

type Kind = { layout: Dataset['layout']; folder: string; file: string };

/** What one folder is, by what lies in it. */
async function kindOf(folder: string): Promise<Kind | null> {
  if (await isFile(join(folder, 'meta.json'))) return { layout: 'ad-clip', folder, file: join(folder, 'meta.json') };
  if (await isFolder(join(folder, 'test'))) return { layout: 'mvtec', folder, file: folder };
  const tables = (await readdir(folder)).filter((name) => /\.csv$/i.test(name) && !/^(boxes|hashes)\.csv$/i.test(name));
  const [only] = tables.length === 1 ? tables : tables.filter((name) => /^labels?\.csv$/i.test(name));
  return only === undefined ? null : { layout: 'labels', folder, file: join(folder, only) };
}

/** The folder itself, or the products in its sub-folders (two levels: COMP/product). */
async function findKinds(root: string, depth = 0): Promise<Kind[]> {
  const own = await kindOf(root);
  if (own !== null) return [own];
  if (depth === 2) return [];
  const found: Kind[] = [];
  for (const entry of (await readdir(root, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1)))
    if (entry.isDirectory() && !entry.name.startsWith('.')) found.push(...(await findKinds(join(root, entry.name), depth + 1)));
  return found;
}

async function findSet(path: string): Promise<{ root: string; kinds: Kind[] }> {
  const root = resolve(path);
  try {
    if (await isFile(root)) {
      const layout = basename(root) === 'meta.json' ? 'ad-clip' : 'labels';
      return { root: dirname(root), kinds: [{ layout, folder: dirname(root), file: root }] };
    }
    return { root, kinds: await findKinds(root) };
  } catch (thrown) {
    throw refuseDataset(`${path} cannot be read (${reason(thrown)})`, 'Name a folder of labelled pictures, or its label CSV');
  }
}

/**
 * Reads a data set: the MVTec layout (train/good, test/KIND, ground_truth/KIND), the AD-CLIP layout (meta.json beside product folders), a
 * label CSV (image_id,label,description); one product or several. `product`: only this one. Hash lists that lie there are checked.
 * Throws DATASET_REFUSED for what cannot be evaluated at all; everything less stands in `problems`.
 */
export async function readDataset(path: string, product: string | null = null): Promise<Dataset> {
  const { root, kinds } = await findSet(path);
  const [first] = kinds;
  if (first === undefined)
    throw refuseDataset(
      `${path} is no data set: it has no test folder, no meta.json and no label CSV`,
      'Expected train/good and test/KIND, or meta.json, or a CSV with image_id,label,description',
    );
  const whole: Dataset = {
    root,
    layout: first.layout,
    products: [],
    train: [],
    test: [],
    problems: [],
    fingerprint: '',
    hashed: { md5: 0, sha256: 0 },
  };
  const known: string[] = [];
  for (const { layout, folder, file } of kinds) {
    const parts =
      layout === 'ad-clip'
        ? await readMeta(file, root)
        : new Map([
            [folder === root ? '' : basename(folder), layout === 'mvtec' ? await readMvtec(folder, root) : await readLabels(file, root)],
          ]);
    for (const [name, part] of parts) {
      if (name !== '') known.push(name);
      if (product !== null && name !== product && !(name === '' && basename(root) === product)) continue;
      if (name !== '') whole.products.push(name);
      whole.train.push(...part.train);
      whole.test.push(...part.test);
      whole.problems.push(...part.problems);
    }
  }
  if (product !== null && whole.train.length + whole.test.length === 0)
    throw refuseDataset(`${path} has no product ${product}`, known.length === 0 ? 'Leave --product out' : `There are ${known.join(', ')}`);
  if (whole.test.length === 0)
    throw refuseDataset(`${path} has no picture to test`, 'Expected good and defective parts in test/', whole.problems);
  return await checkHashes(whole);
}
