/**
 * Ground truth as boxes, px of the picture: boxes.csv (image_id,x,y,width,height), boxes.json ({"NAME":[[x,y,width,height], ...]}) or the
 * COCO form ({"images":[{id,file_name}],"annotations":[{image_id,bbox}]}); in the data set's folder or in ground_truth.
 */
import { readFile } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { z } from 'zod';
import { reason } from '../errors';
import { parseTable } from './csv';
import { type Box, refuseDataset } from './item';

export interface Boxes {
  /** Boxes of the picture, by its path or its name, with or without extension; null: none. */
  of(path: string): readonly Box[] | null;
  /** A sentence for each name that no picture has. */
  unused(): string[];
}

const tuple = z.tuple([z.number(), z.number(), z.number(), z.number()]);
const object = z.object({ x: z.number(), y: z.number(), width: z.number(), height: z.number() });
const plain = z.record(z.string(), z.array(z.union([tuple.transform(([x, y, width, height]) => ({ x, y, width, height })), object])));
const id = z.union([z.number(), z.string()]);
const coco = z.object({
  images: z.array(z.object({ id, file_name: z.string() })),
  annotations: z.array(z.object({ image_id: id, bbox: tuple })),
});

function parseJson(text: string): [string, Box][] {
  const content: unknown = JSON.parse(text);
  const asCoco = coco.safeParse(content);
  if (!asCoco.success)
    return Object.entries(plain.parse(content)).flatMap(([name, boxes]) => boxes.map((box): [string, Box] => [name, box]));
  const names = new Map(asCoco.data.images.map((image) => [image.id, image.file_name]));
  return asCoco.data.annotations.map(({ image_id, bbox: [x, y, width, height] }) => [
    names.get(image_id) ?? String(image_id),
    { x, y, width, height },
  ]);
}

function parseRows(text: string): [string, Box][] {
  const rows = parseTable(text, ['image_id', 'x', 'y', 'width', 'height']);
  if (rows === null) throw new Error('expected a first line image_id,x,y,width,height');
  const figure = (cell: string | undefined): number => (cell === undefined || cell === '' ? Number.NaN : Number(cell));
  return rows.map(({ image_id = '', x, y, width, height }) => [
    image_id,
    { x: figure(x), y: figure(y), width: figure(width), height: figure(height) },
  ]);
}

/** Null where the folder has none. Throws DATASET_REFUSED for a file that is there and cannot be understood. */
export async function readBoxes(folder: string): Promise<Boxes | null> {
  for (const name of ['boxes.json', 'boxes.csv', 'ground_truth/boxes.json', 'ground_truth/boxes.csv', 'annotations.json']) {
    const file = join(folder, name);
    const text = await readFile(file, 'utf8').catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code === 'ENOENT' || thrown.code === 'ENOTDIR') return null;
      throw refuseDataset(`${file} cannot be read (${thrown.message})`, 'Check its permissions');
    });
    if (text === null) continue;
    let entries: [string, Box][];
    try {
      entries = name.endsWith('.json') ? parseJson(text) : parseRows(text);
    } catch (thrown) {
      throw refuseDataset(
        `${file} is no list of boxes (${reason(thrown).split('\n')[0]})`,
        'Expected x, y, width and height in px of the picture',
      );
    }
    const bad = entries.find(([, { x, y, width, height }]) => ![x, y, width, height].every(Number.isFinite) || width <= 0 || height <= 0);
    if (bad !== undefined)
      throw refuseDataset(
        `${file} has a box of ${bad[0]} that is none (${Object.values(bad[1]).join(', ')})`,
        'Expected x, y, width > 0, height > 0 in px',
      );
    return lookup(entries, name);
  }
  return null;
}

function lookup(entries: readonly [string, Box][], file: string): Boxes {
  const byName = new Map<string, Box[]>();
  for (const [name, box] of entries) byName.set(name, [...(byName.get(name) ?? []), box]);
  const left = new Set(byName.keys());
  return {
    of(path) {
      const { dir, name, base } = parse(path);
      const found = [path, dir === '' ? name : `${dir}/${name}`, base, name].find((one) => byName.has(one));
      if (found === undefined) return null;
      left.delete(found);
      return byName.get(found) ?? null;
    },
    unused: () => [...left].map((name) => `${file} has boxes of ${name}, and there is no such picture`),
  };
}
