/** Where control charts outlive a restart: trend.json beside recipe.json. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../recipe/durable';
import { recipesDir } from '../recipe/store';
import { type TrendState, trendSchema } from './trend';

const fileName = 'trend.json';

/** Null where there is none. Throws where it cannot be read or is none: the caller learns anew, and says so. */
export async function readTrend(dataDir: string, recipe: string): Promise<TrendState | null> {
  try {
    return trendSchema.parse(JSON.parse(await readFile(join(recipesDir(dataDir), recipe, fileName), 'utf8')));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw thrown;
  }
}

export async function writeTrend(dataDir: string, recipe: string, state: TrendState): Promise<void> {
  await replaceFile(join(recipesDir(dataDir), recipe), fileName, `${JSON.stringify(state)}\n`);
}
