/**
 * Are these the pictures that were agreed on? Lists as md5sum and sha256sum write them (MD5SUMS, SHA256SUMS, *.md5, *.sha256) or tables
 * (hashes.csv: image_id,md5 or image_id,sha256) are compared with the files; the same content under two labels is told.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { reason } from '../errors';
import { parseTable } from './csv';
import { type Dataset, type Item, refuseDataset } from './item';

type Algorithm = 'md5' | 'sha256';
interface Listed {
  list: string; // name of the list's file
  path: string; // absolute
  algorithm: Algorithm;
  hash: string;
}

const isList = (name: string): boolean => /^(md5sums?|sha256sums?|md5|sha256)(\.txt)?$|\.(md5|sha256)$|^hashes\.(csv|txt)$/i.test(name);

function parseList(text: string, file: string): Listed[] {
  const listed = (name: string, hash: string): Listed => ({
    list: basename(file),
    path: resolve(dirname(file), name),
    algorithm: hash.length === 32 ? 'md5' : 'sha256',
    hash: hash.toLowerCase(),
  });
  if (/\.csv$/i.test(file)) {
    const rows = parseTable(text, ['image_id', 'sha256']) ?? parseTable(text, ['image_id', 'md5']);
    if (rows === null) throw refuseDataset(`${file} is no list of hashes`, 'Expected a first line image_id,sha256 or image_id,md5');
    return rows.flatMap(({ image_id = '', md5 = '', sha256 = '' }) =>
      [md5, sha256].filter((hash) => hash !== '').map((hash) => listed(image_id, hash)),
    );
  }
  return text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, hash, name] = /^([0-9a-f]{32}|[0-9a-f]{64})[ \t]+\*?(.+)$/i.exec(line.trim()) ?? [];
      if (hash === undefined || name === undefined)
        throw refuseDataset(
          `${file} has a line that is no hash and name: ${line.slice(0, 80)}`,
          'Expected lines as md5sum or sha256sum write them',
        );
      return listed(name, hash);
    });
}

async function lists(folder: string): Promise<Listed[]> {
  const names = (await readdir(folder).catch(() => [])).filter(isList).sort();
  const found: Listed[] = [];
  for (const name of names) found.push(...parseList(await readFile(join(folder, name), 'utf8'), join(folder, name)));
  return found;
}

interface Digests {
  md5: string;
  sha256: string;
}

async function digests(path: string): Promise<Digests | null> {
  try {
    const bytes = await readFile(path);
    return { md5: createHash('md5').update(bytes).digest('hex'), sha256: createHash('sha256').update(bytes).digest('hex') };
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'EISDIR') return null;
    throw refuseDataset(`${path} cannot be read (${reason(thrown)})`, 'Check its permissions');
  }
}

/** Throws DATASET_REFUSED, naming each, where a listed file is missing or another. */
export async function checkHashes(found: Dataset): Promise<Dataset> {
  const folders = [...new Set([found.root, ...[...found.train, ...found.test.map(({ path }) => path)].map(dirname)])];
  const above = folders.flatMap((folder) => chain(folder, found.root));
  const listed = (await Promise.all([...new Set(above)].sort().map(lists))).flat();
  const known = new Map<string, Digests | null>();
  const digestsOf = async (path: string): Promise<Digests | null> => {
    if (!known.has(path)) known.set(path, await digests(path));
    return known.get(path) ?? null;
  };
  const wrong: string[] = [];
  const hashed = { md5: 0, sha256: 0 };
  for (const { path, algorithm, hash, list } of listed) {
    const name = relative(found.root, path);
    if (!path.startsWith(found.root + sep)) wrong.push(`${list} names ${path}, outside of the data set`);
    else {
      const own = await digestsOf(path);
      if (own === null) wrong.push(`${name} is listed in ${list} and is not there`);
      else if (own[algorithm] !== hash)
        wrong.push(`${name} is not the file that ${list} lists (${algorithm} ${own[algorithm]}, listed ${hash})`);
      else hashed[algorithm]++;
    }
  }
  if (wrong.length > 0) {
    const what = `${found.root} is not the data set that its hash lists describe: ${wrong[0]}${wrong.length > 1 ? ` and ${wrong.length - 1} more` : ''}`;
    throw refuseDataset(what, 'Copy the files again, or remove the list if the change is meant', wrong);
  }
  const problems = [...found.problems];
  const covered = new Set(listed.map(({ path }) => path));
  const bare = found.test.filter(({ path }) => !covered.has(path)).length;
  if (listed.length > 0 && bare > 0) problems.push(`${bare} of ${found.test.length} test pictures stand in no hash list`);
  const overall = createHash('sha256');
  const test = await withoutTwins(found, digestsOf, problems);
  for (const path of [...found.train, ...test.map((item) => item.path)].sort())
    overall.update(`${relative(found.root, path)}\0${(await digestsOf(path))?.sha256 ?? ''}\n`);
  return { ...found, test, problems, hashed, fingerprint: overall.digest('hex') };
}

/** The folder and those above it, up to the data set's own. */
function chain(folder: string, root: string): string[] {
  return folder === root || !folder.startsWith(root + sep) ? [root] : [folder, ...chain(dirname(folder), root)];
}

/** The same picture must not be good and bad; one that was taught from tests nothing. */
async function withoutTwins(found: Dataset, digestsOf: (path: string) => Promise<Digests | null>, problems: string[]): Promise<Item[]> {
  const byContent = new Map<string, Item[]>();
  for (const item of found.test) {
    const hash = (await digestsOf(item.path))?.sha256 ?? item.path;
    byContent.set(hash, [...(byContent.get(hash) ?? []), item]);
  }
  const left = new Set<Item>();
  for (const twins of byContent.values()) {
    if (twins.every(({ good }) => good === twins[0]?.good)) continue;
    problems.push(`${twins.map(({ name }) => name).join(' and ')} are one picture, good and defective; they are left out`);
    for (const twin of twins) left.add(twin);
  }
  const taught = new Set<string>();
  for (const path of found.train) taught.add((await digestsOf(path))?.sha256 ?? path);
  const both = [...byContent].filter(([hash]) => taught.has(hash)).flatMap(([, items]) => items);
  if (both.length > 0)
    problems.push(`${both.length} test pictures are also among those to teach from (${both[0]?.name ?? ''}): their scores prove nothing`);
  return found.test.filter((item) => !left.has(item));
}
