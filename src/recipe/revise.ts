/**
 * A recipe's next revision out of what is in its folder already: an earlier revision again, or another limit. As at teaching, what was in
 * force goes to the history first, and one rename changes it: a power cut leaves the old or the new one, whole.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { VerdictdError } from '../errors';
import { replaceFile, syncFolder } from './durable';
import { type Recipe, type RecipeFile, recipeSchema } from './recipe';
import { checkFiles, loadRecipe, readRecipe, recipeName, recipesDir, recipeText } from './store';

/** Writes `change(in force)` as the next revision; id, number and revision are not the caller's. Gives the recipe as `loadRecipe` does. */
export async function revise(dataDir: string, id: string, change: (before: RecipeFile) => RecipeFile): Promise<Recipe> {
  const { dir, file: before } = await loadRecipe(dataDir, id);
  const next = recipeSchema.parse({ ...change(before), id, number: before.number, revision: before.revision + 1 });
  const history = join(dir, 'history', String(before.revision));
  await mkdir(history, { recursive: true, mode: 0o750 });
  await replaceFile(history, recipeName, recipeText(before));
  await syncFolder(join(dir, 'history'));
  await replaceFile(dir, recipeName, recipeText(next));
  return await loadRecipe(dataDir, id);
}

/** Revisions kept, oldest first. */
export async function revisions(dataDir: string, id: string): Promise<number[]> {
  const found = await readdir(join(recipesDir(dataDir), id, 'history')).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return [];
    throw thrown;
  });
  return found
    .filter((name) => /^[1-9]\d*$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/**
 * An earlier revision in force again, as a new revision with every file checked against its hash. `to` null: the one before. Throws
 * RECIPE_MISSING where that revision is not kept, RECIPE_REFUSED where one of its files was altered or is gone; nothing has changed then.
 */
export async function rollback(dataDir: string, id: string, to: number | null): Promise<Recipe> {
  const { dir, file } = await loadRecipe(dataDir, id);
  const kept = (await revisions(dataDir, id)).filter((revision) => revision < file.revision);
  const wanted = to ?? kept.at(-1);
  if (wanted === undefined || !kept.includes(wanted)) {
    const there = kept.length === 0 ? 'no earlier revision is kept' : `kept are ${kept.join(', ')}`;
    const where = wanted === undefined ? 'an earlier revision' : `revision ${wanted}`;
    throw new VerdictdError(
      'RECIPE_MISSING',
      `The recipe ${id} cannot go back to ${where}: ${there}. \`verdictd recipe show ${id}\` lists them.`,
    );
  }
  const old = await readRecipe(join(dir, 'history', String(wanted)), id);
  await checkFiles(dir, old);
  return await revise(dataDir, id, () => old);
}
