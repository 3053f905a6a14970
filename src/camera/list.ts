/** Which pictures a folder holds, in the order a person would read them, and what their folders say about them. */
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { reason, VerdictdError } from '../errors';
import type { Truth } from '../ports';

const extensions = /\.(png|jpe?g|tiff?|bmp|dib|raw|bayer)$/i;
/** Masks of the MVTec layout: pictures of no part. */
const masks = 'ground_truth';
const deepest = 16;

const natural = new Intl.Collator('en', { numeric: true, sensitivity: 'variant' });

interface Seen {
  folders: Set<string>; // real paths: a link to a parent folder is walked once
  others: number; // files of other kinds
}

async function walk(folder: string, depth: number, seen: Seen): Promise<string[]> {
  const real = await realpath(folder);
  if (depth > deepest || seen.folders.has(real)) return [];
  seen.folders.add(real);
  const entries = await readdir(folder, { withFileTypes: true });
  entries.sort((a, b) => natural.compare(a.name, b.name) || (a.name < b.name ? -1 : 1));
  const found: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    const is = entry.isSymbolicLink() ? await stat(path).catch(() => entry) : entry;
    if (is.isDirectory()) {
      if (entry.name !== masks) found.push(...(await walk(path, depth + 1, seen)));
    } else if (extensions.test(entry.name)) found.push(path);
    else seen.others++;
  }
  return found;
}

/**
 * The pictures of folders (with their sub-folders, in natural order: part2 before part10; hidden files and `ground_truth`
 * left out) and of files named one by one, in the order given. A file that is named is taken whatever it is, even missing:
 * reading it tells. Throws IMAGE_FOLDER_EMPTY for a folder that cannot be read or holds no picture.
 */
export async function listImages(paths: string | readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of typeof paths === 'string' ? [paths] : paths) {
    const is = await stat(path).catch(() => null);
    if (is === null && extensions.test(path)) found.push(path);
    else if (is !== null && !is.isDirectory()) found.push(path);
    else found.push(...(await ofFolder(path)));
  }
  if (found.length === 0) {
    throw new VerdictdError('IMAGE_FOLDER_EMPTY', 'no picture was named; expected a folder or image files. Name at least one.');
  }
  return found;
}

async function ofFolder(folder: string): Promise<string[]> {
  const seen: Seen = { folders: new Set(), others: 0 };
  let found: string[];
  try {
    found = await walk(folder, 0, seen);
  } catch (thrown) {
    throw new VerdictdError(
      'IMAGE_FOLDER_EMPTY',
      `${folder}: the folder cannot be read (${reason(thrown)}); expected a folder of pictures. Check the path and its permissions.`,
      { cause: thrown },
    );
  }
  if (found.length > 0) return found;
  const held = seen.others === 0 ? 'is empty' : `holds ${seen.others} files, none of them a picture`;
  throw new VerdictdError(
    'IMAGE_FOLDER_EMPTY',
    `${folder}: the folder ${held}; expected png, jpg, tif, bmp, raw or bayer files. Check the path.`,
  );
}

/**
 * What the MVTec layout says of a picture: `good` parts lie in a folder `good`, others in `test/KIND`. Null where the folders
 * say nothing.
 */
export function truthOf(path: string): Truth | null {
  const folder = basename(dirname(path));
  if (folder === 'good') return { good: true, defect: null };
  if (basename(dirname(dirname(path))) === 'test') return { good: false, defect: folder };
  return null;
}
