/** A table of labels beside the pictures: image_id,label,description. */
import { readFile } from 'node:fs/promises';
import { basename, dirname, parse, relative } from 'node:path';
import { listImages } from '../camera/list';
import { reason, VerdictdError } from '../errors';
import { readBoxes } from './boxes';
import { parseTable } from './csv';
import { type ProductSet, refuseDataset } from './item';
import { isExportFolder, labelOfName, labelOfWord, labelWords } from './naming';

interface Label {
  label: 'normal' | 'abnormal';
  description: string;
}

/** The table; contradictions and words nobody knows are told and left out. */
async function readTable(file: string, problems: string[]): Promise<{ labels: Map<string, Label>; refused: Set<string> }> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (thrown) {
    throw refuseDataset(`${file} cannot be read (${reason(thrown)})`, 'Check the path');
  }
  const rows = parseTable(text, ['image_id', 'label']);
  if (rows === null) throw refuseDataset(`${file} is no table of labels`, 'Expected a first line image_id,label,description');
  const labels = new Map<string, Label>();
  const refused = new Set<string>();
  for (const { image_id: id = '', label: word = '', description = '' } of rows) {
    const label = labelOfWord(word);
    if (label === null) {
      problems.push(`${id}: the label "${word}" is none of ${labelWords.join(', ')}; it is left out`);
      refused.add(id);
      continue;
    }
    const before = labels.get(id);
    const named = labelOfName(basename(id));
    if (before !== undefined && before.label !== label)
      problems.push(`${id} is both normal and abnormal in ${basename(file)}; it is left out`);
    else if (named !== null && named !== label)
      problems.push(`${id} is ${label} in ${basename(file)}, and its name says ${named}; it is left out`);
    else {
      labels.set(id, { label, description });
      continue;
    }
    refused.add(id);
  }
  for (const id of refused) labels.delete(id);
  return { labels, refused };
}

/** Everything is to be tested; nothing is kept apart to teach from. image_id is a path beside the table, with or without extension. */
export async function readLabels(file: string, root: string): Promise<ProductSet> {
  const problems: string[] = [];
  const { labels, refused } = await readTable(file, problems);
  const folder = dirname(file);
  const boxes = await readBoxes(folder);
  const used = new Set<string>();
  const test: ProductSet['test'] = [];
  const strict = isExportFolder(basename(folder));
  for (const path of await picturesOf(folder)) {
    const own = relative(folder, path);
    const { dir, name, base } = parse(own);
    if (strict && labelOfName(base) === null)
      problems.push(`${own} is not named as the folder's rule says (normal_DATE_N or abnormal_DATE_N)`);
    const ids = [own, dir === '' ? name : `${dir}/${name}`, base, name];
    const id = ids.find((one) => labels.has(one));
    const found = id === undefined ? undefined : labels.get(id);
    if (id === undefined || found === undefined) {
      if (!ids.some((one) => refused.has(one))) problems.push(`${own} has no label in ${basename(file)}; it is left out`);
      continue;
    }
    if (used.has(id)) {
      problems.push(`${own}: ${id} is the name of two pictures; the second is left out`);
      continue;
    }
    used.add(id);
    const good = found.label === 'normal';
    const drawn = good ? null : (boxes?.of(own) ?? null);
    test.push({
      name: relative(root, path),
      path,
      good,
      defect: good ? null : found.description || 'abnormal',
      truth: drawn === null ? null : { kind: 'boxes', boxes: drawn },
    });
  }
  for (const id of labels.keys()) if (!used.has(id)) problems.push(`${id} has a label in ${basename(file)} and no picture`);
  return { train: [], test, problems: [...problems, ...(boxes?.unused() ?? [])] };
}

async function picturesOf(folder: string): Promise<string[]> {
  try {
    return await listImages(folder);
  } catch (thrown) {
    if (!(thrown instanceof VerdictdError)) throw thrown;
    throw refuseDataset(thrown.message, 'Expected pictures beside the table of labels');
  }
}
