/** The master parts of a recipe, and what is known of the last check with them: two small files beside recipe.json. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { reason, VerdictdError } from '../errors';
import { replaceFile } from './durable';
import { readRecipe, recipesDir } from './store';

export const masterName = z.string().regex(/^[A-Za-z0-9_.:-]{1,32}$/, 'expected 1 to 32 of A-Z, a-z, 0-9, _ . : -');
const master = z.strictObject({ partId: masterName, expect: z.enum(['good', 'bad']), added: z.string(), by: z.string() });
const setSchema = z.strictObject({ masters: z.array(master).max(64) });
const checkSchema = z.strictObject({
  /** The last check that passed; null: none ever did. `resultId`: the last part shown in it, '' where there was none. */
  passed: z.strictObject({ utc: z.string(), resultId: z.string(), revision: z.int().positive(), bootId: z.string() }).nullable(),
  /** Why one is due, whatever the time; null: it is not. */
  due: z.string().nullable(),
});

export type Master = z.infer<typeof master>;
export type CheckState = z.infer<typeof checkSchema>;

const setName = 'masters.json';
const checkName = 'master-check.json';

/** Of one recipe, in the order they are shown. Throws RECIPE_MISSING, RECIPE_REFUSED. */
export async function readMasters(dataDir: string, recipe: string): Promise<readonly Master[]> {
  await readRecipe(join(recipesDir(dataDir), recipe), recipe);
  return (await read(dataDir, recipe, setName, setSchema))?.masters ?? [];
}

/** Adds one, or changes what is expected of it. Throws as `readMasters`; RECIPE_REFUSED where there are 64. */
export async function addMaster(dataDir: string, recipe: string, added: Master): Promise<readonly Master[]> {
  const others = (await readMasters(dataDir, recipe)).filter(({ partId }) => partId !== added.partId);
  const masters = [...others, added];
  if (!setSchema.safeParse({ masters }).success) {
    throw new VerdictdError('RECIPE_REFUSED', `The recipe ${recipe} has 64 master parts already. Take some out of ${setName}.`);
  }
  await replaceFile(join(recipesDir(dataDir), recipe), setName, `${JSON.stringify({ masters }, null, 2)}\n`);
  return masters;
}

/** What is known of the last check. Throws RECIPE_REFUSED for a file that cannot be read: never a guess. */
export async function readCheck(dataDir: string, recipe: string): Promise<CheckState> {
  return (await read(dataDir, recipe, checkName, checkSchema)) ?? { passed: null, due: null };
}

export async function writeCheck(dataDir: string, recipe: string, state: CheckState): Promise<void> {
  await replaceFile(join(recipesDir(dataDir), recipe), checkName, `${JSON.stringify(state)}\n`);
}

async function read<T>(dataDir: string, recipe: string, name: string, schema: z.ZodType<T>): Promise<T | null> {
  const path = join(recipesDir(dataDir), recipe, name);
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    const why = thrown instanceof z.ZodError ? 'it breaks the format' : reason(thrown);
    throw new VerdictdError('RECIPE_REFUSED', `${path} cannot be used (${why}). Restore it, or remove it and add the master parts again.`, {
      cause: thrown,
    });
  }
}
