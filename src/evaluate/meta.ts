/** The AD-CLIP layout: meta.json names every picture with its mask, class and label: {train|test: {class: [{img_path, ...}]}}. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { truthOf } from '../camera/list';
import { reason } from '../errors';
import { type ProductSet, refuseDataset } from './item';

const entrySchema = z.object({
  img_path: z.string().min(1),
  mask_path: z.string().default(''),
  cls_name: z.string().optional(),
  specie_name: z.string().default(''),
  anomaly: z
    .union([z.literal(0), z.literal(1), z.boolean()])
    .transform(Number)
    .optional(),
});
const classes = z.record(z.string(), z.array(entrySchema));
const metaSchema = z.object({ train: classes.default({}), test: classes });

type Entry = z.infer<typeof entrySchema>;

/** Products by class name. Paths are relative to meta.json, or to its folder's parent, as the trainers write both. */
export async function readMeta(file: string, root: string): Promise<Map<string, ProductSet>> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, 'utf8'));
  } catch (thrown) {
    throw refuseDataset(`${file} cannot be read (${reason(thrown)})`, 'Make it again, or remove it to read the folders alone');
  }
  const checked = metaSchema.safeParse(content);
  if (!checked.success) {
    const details = checked.error.issues.map((issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`);
    throw refuseDataset(`${file} is no list of pictures (${details[0] ?? 'unknown'})`, 'Expected {"train":{...},"test":{...}}', details);
  }
  const folder = dirname(file);
  const parts = new Map<string, ProductSet>();
  const partOf = (name: string): ProductSet => {
    const part = parts.get(name) ?? { train: [], test: [], problems: [] };
    parts.set(name, part);
    return part;
  };
  for (const [name, entries] of Object.entries(checked.data.train))
    for (const entry of entries) addTrain(partOf(name), entry, folder, root);
  for (const [name, entries] of Object.entries(checked.data.test)) {
    if (entries.length === 0) partOf(name).problems.push(`${name} has no picture to test in meta.json`);
    for (const entry of entries) addTest(partOf(name), entry, folder, root);
  }
  return parts;
}

/** Throws DATASET_REFUSED for a path that leads out of the data set. Null (with a sentence) where nothing is there. */
function find(path: string, folder: string, problems: string[]): string | null {
  const bases = [folder, ...(path.startsWith(`${basename(folder)}/`) ? [dirname(folder)] : [])];
  for (const base of bases) {
    const whole = resolve(base, path);
    if (!whole.startsWith(folder + sep)) {
      throw refuseDataset(`meta.json names ${path}, outside of ${folder}`, 'Expected paths below the folder of meta.json');
    }
    if (existsSync(whole)) return whole;
  }
  problems.push(`${join(folder, path)} is named in meta.json and is not there`);
  return null;
}

/** 1 defective, 0 good; null (with a sentence) where the entry does not say, or says both. */
function labelOf({ anomaly, specie_name, img_path }: Entry, problems: string[]): 0 | 1 | null {
  const says = new Set<number>();
  if (anomaly !== undefined) says.add(anomaly);
  if (specie_name !== '') says.add(specie_name === 'good' ? 0 : 1);
  const lies = truthOf(join('/', img_path));
  if (lies !== null) says.add(lies.good ? 0 : 1);
  const [label] = says;
  if (says.size === 1) return label === 0 ? 0 : 1;
  problems.push(
    `${img_path} ${says.size === 0 ? 'has no label' : 'is good by one word and defective by another'} in meta.json; it is left out`,
  );
  return null;
}

function addTrain(part: ProductSet, entry: Entry, folder: string, root: string): void {
  const path = find(entry.img_path, folder, part.problems);
  const label = labelOf(entry, part.problems);
  if (path === null || label === null) return;
  if (label === 0) part.train.push(path);
  else part.problems.push(`${relative(root, path)} is defective and stands among those to teach from; it is left out`);
}

function addTest(part: ProductSet, entry: Entry, folder: string, root: string): void {
  const path = find(entry.img_path, folder, part.problems);
  const label = labelOf(entry, part.problems);
  if (path === null || label === null) return;
  const mask = entry.mask_path === '' ? null : find(entry.mask_path, folder, part.problems);
  const good = label === 0;
  if (good && mask !== null) part.problems.push(`${relative(root, path)} is good, and has a mask; the mask is left out`);
  const defect = good ? null : entry.specie_name || truthOf(path)?.defect || 'defective';
  part.test.push({ name: relative(root, path), path, good, defect, truth: good || mask === null ? null : { kind: 'mask', path: mask } });
}
