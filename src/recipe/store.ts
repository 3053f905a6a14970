/**
 * Recipes on disk. `recipes/<id>/recipe.json` names every other file by content: `bank-<hash>.onnx`, `shots/<hash>.png`. Files are
 * only ever added; replacing recipe.json by rename is the one moment at which a recipe changes, so a power cut leaves the old or
 * the new one, whole. What was in force before stays under `history/<revision>/recipe.json` with its files.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { reason, VerdictdError } from '../errors';
import { alteration, hashFile, unreadable } from '../hash';
import { checkModel } from '../onnx/check';
import { type Recipe, type RecipeFile, recipeId, recipeSchema } from './recipe';

export const recipeName = 'recipe.json';

export function recipesDir(dataDir: string): string {
  return join(dataDir, 'recipes');
}

export interface Listed {
  id: string;
  file: RecipeFile | null; // null where it cannot be read
  problem: string | null;
}

const teachAgain = 'Teach it again, or restore it from a backup';
/** Without recipe.json nobody knows the recipe's number: teaching over it would give the number away. */
const restore = `Restore ${recipeName} from history/ or a backup; or remove the folder, then teach it anew (it may get another number)`;

function refused(dir: string, what: string, todo = teachAgain, details: readonly string[] = []): VerdictdError {
  return new VerdictdError('RECIPE_REFUSED', `the recipe ${dir} is refused: ${what}. ${todo}`, { details });
}

async function ids(dataDir: string): Promise<string[]> {
  const entries = await readdir(recipesDir(dataDir), { withFileTypes: true }).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return [];
    throw new VerdictdError('DATA_DIR_UNUSABLE', `${recipesDir(dataDir)} cannot be read (${thrown.message}). Check its permissions`, {
      cause: thrown,
    });
  });
  return entries
    .filter((entry) => entry.isDirectory() && recipeId.safeParse(entry.name).success)
    .map((entry) => entry.name)
    .sort();
}

/** Every recipe by id, also those that cannot be read, with the reason. Hashes are not checked here. */
export async function listRecipes(dataDir: string): Promise<Listed[]> {
  const found: Listed[] = [];
  for (const id of await ids(dataDir)) {
    try {
      found.push({ id, file: await readRecipe(join(recipesDir(dataDir), id), id), problem: null });
    } catch (thrown) {
      if (!(thrown instanceof VerdictdError)) throw thrown;
      if (thrown.code !== 'RECIPE_MISSING') found.push({ id, file: null, problem: thrown.message });
    }
  }
  return found;
}

/** One recipe, every file of it compared with its hash. Throws RECIPE_MISSING (naming those there are) or RECIPE_REFUSED. */
export async function loadRecipe(dataDir: string, id: string): Promise<Recipe> {
  const dir = join(recipesDir(dataDir), id);
  const known = await ids(dataDir);
  if (!known.includes(id)) {
    const there = known.length === 0 ? 'there is none yet' : `there are ${known.join(', ')}`;
    throw new VerdictdError(
      'RECIPE_MISSING',
      `no recipe ${id} in ${recipesDir(dataDir)}: ${there}. Teach it: verdictd teach --recipe ${id} --good DIR`,
    );
  }
  const file = await readRecipe(dir, id);
  await checkFiles(dir, file);
  const bankPath = join(dir, file.bank.file);
  try {
    checkModel(bankPath);
  } catch (thrown) {
    throw refused(dir, reason(thrown));
  }
  return { dir, file, bankPath };
}

/** Over every figure of recipe.json: a limit with one bit changed would let bad parts pass in silence. No protection against intent. */
function sealOf(content: object): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}

/** recipe.json as it is written. */
export function recipeText(file: RecipeFile): string {
  return `${JSON.stringify({ ...file, seal: sealOf(file) }, null, 2)}\n`;
}

/** recipe.json alone. */
export async function readRecipe(dir: string, id: string): Promise<RecipeFile> {
  let text: string;
  try {
    text = await readFile(join(dir, recipeName), 'utf8');
  } catch (thrown) {
    const missing = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
    if (missing)
      throw new VerdictdError(
        'RECIPE_MISSING',
        `no recipe at ${dir}: it has no ${recipeName}. Teach it: verdictd teach --recipe ${id} --good DIR`,
      );
    throw refused(dir, `${recipeName} cannot be read (${reason(thrown)})`, restore);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (thrown) {
    throw refused(dir, `${recipeName} is not JSON (${reason(thrown)})`, restore);
  }
  const { seal, ...content } =
    parsed !== null && typeof parsed === 'object' && !Array.isArray(parsed) ? (parsed as { seal?: unknown }) : {};
  const checked = recipeSchema.safeParse(content);
  if (!checked.success) {
    const details = checked.error.issues.map((issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`);
    throw refused(dir, `${recipeName} breaks the format (${details[0] ?? 'unknown'})`, restore, details);
  }
  if (seal === undefined) throw refused(dir, `${recipeName} has no seal: an older verdictd or another program wrote it`, restore);
  if (seal !== sealOf(content)) {
    throw refused(
      dir,
      `${recipeName} was altered after it was taught: what it says, its limit too, is not what its seal was made for`,
      restore,
    );
  }
  if (checked.data.id !== id) throw refused(dir, `${recipeName} says it is ${checked.data.id}`, restore);
  return checked.data;
}

/** Every file that a recipe.json names, against its hash. `dir`: the recipe's folder. Throws RECIPE_REFUSED. */
export async function checkFiles(dir: string, file: RecipeFile): Promise<void> {
  await checkFile(dir, file.bank.file, file.bank.sha256, file.bank.bytes);
  for (const shot of file.shots) await checkFile(dir, shot.file, shot.sha256, null);
}

async function checkFile(dir: string, name: string, sha256: string, bytes: number | null): Promise<void> {
  if (!/^(shots\/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) throw refused(dir, `it names a file "${name}" outside its folder`);
  const wanted = bytes === null ? { sha256 } : { sha256, bytes };
  const wrong = await hashFile(join(dir, name)).then((got) => alteration(got, wanted), unreadable);
  if (wrong !== null) throw refused(dir, `${name} ${wrong}`);
}

/** The recipe's own number if it has one, else the lowest that is free. Throws RECIPE_REFUSED when a recipe cannot be read or none is free. */
export async function numberFor(dataDir: string, id: string): Promise<number> {
  const listed = await listRecipes(dataDir);
  const broken = listed.find(({ file }) => file === null);
  if (broken !== undefined) throw new VerdictdError('RECIPE_REFUSED', `the numbers in use cannot be told: ${broken.problem ?? broken.id}`);
  const used = new Map(listed.flatMap(({ file }) => (file === null ? [] : [[file.number, file.id] as const])));
  for (const [number, owner] of used) if (owner === id) return number;
  for (let number = 1; number <= 65535; number++) if (!used.has(number)) return number;
  throw new VerdictdError('RECIPE_REFUSED', 'all 65535 recipe numbers are in use. Remove recipes that are no longer made');
}

/** Removes what a teach that was cut short left behind. */
export async function sweep(dataDir: string): Promise<void> {
  await mkdir(recipesDir(dataDir), { recursive: true, mode: 0o750 });
  for (const name of await readdir(recipesDir(dataDir)))
    if (name.startsWith('.staging-')) await rm(join(recipesDir(dataDir), name), { recursive: true, force: true });
}
