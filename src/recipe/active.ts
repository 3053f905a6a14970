/**
 * Which recipe is in force. `recipes/active.json` goes before the configuration's `recipe.active`: activating needs no change of the
 * configuration, and outlives a restart.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { reason, VerdictdError } from '../errors';
import { replaceFile } from './durable';
import { type Recipe, recipeId } from './recipe';
import { loadRecipe, recipesDir } from './store';

const fileName = 'active.json';
const schema = z.strictObject({ recipe: recipeId });

/** The id that was activated; null where none ever was. Throws RECIPE_REFUSED for a file that cannot be read: never a guess. */
export async function activeRecipe(dataDir: string): Promise<string | null> {
  const path = join(recipesDir(dataDir), fileName);
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8'))).recipe;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    const why = thrown instanceof z.ZodError ? 'it breaks the format' : reason(thrown);
    throw new VerdictdError(
      'RECIPE_REFUSED',
      `${path} does not say which recipe is active (${why}). Run \`verdictd recipe activate ID\`.`,
      {
        cause: thrown,
      },
    );
  }
}

/** What activation needs of the world. */
export interface ActivateDeps {
  dataDir: string;
  /** A row of the audit table. Written before the change, so that no change is without one. */
  audit(action: string, detail: Record<string, unknown>): Promise<void>;
  /** A running station loads it beside the one in force and switches; rejects where it cannot. Without: in force at the next start. */
  use?(recipe: Recipe): Promise<void>;
  /** Where a station has checked the recipe's files already: what it keeps, null where that is not what lies on the disk. */
  kept?(id: string): Promise<Recipe | null>;
}

/**
 * Puts a recipe in force: every file of it is checked, then audited, then the station takes it, then the choice is written by one
 * rename. Throws RECIPE_MISSING, RECIPE_REFUSED, and what the deps throw; the choice before stays then.
 */
export async function activateRecipe(id: string, { dataDir, audit, use, kept }: ActivateDeps): Promise<Recipe> {
  const recipe = (await kept?.(id)) ?? (await loadRecipe(dataDir, id));
  const before = await activeRecipe(dataDir).catch(() => 'unreadable'); // replaced: that is what the person wants
  await audit('recipeActivate', { recipe: id, number: recipe.file.number, revision: recipe.file.revision, before });
  await use?.(recipe);
  await replaceFile(recipesDir(dataDir), fileName, `${JSON.stringify({ recipe: id })}\n`);
  return recipe;
}
