/** A recipe in the making: its files are staged beside the recipes, and nothing is seen of them before `commit`. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { reason, VerdictdError } from '../errors';
import { hashFile, sha256 } from '../hash';
import type { Graph } from '../onnx/graph';
import { type Recipe, type RecipeFile, recipeId, recipeSchema } from './recipe';
import { loadRecipe, numberFor, readRecipe, recipeName, recipesDir, recipeText, sweep } from './store';

type Shot = RecipeFile['shots'][number];
/** What the caller decides; the rest follows from the files and from what was there before. */
export type Decided = Omit<RecipeFile, 'format' | 'id' | 'number' | 'revision' | 'shots' | 'bank'>;

/** Owner of the staging folder; `commit` or `discard` is its end. One writer a data directory (the caller holds its lock). */
export class Draft {
  private readonly shots: Shot[] = [];
  private bank: RecipeFile['bank'] | null = null;

  private constructor(
    private readonly dataDir: string,
    private readonly id: string,
    readonly dir: string,
  ) {}

  /** Throws RECIPE_REFUSED for an id that cannot be one, DATA_DIR_UNUSABLE where nothing can be written. */
  static async begin(dataDir: string, id: string): Promise<Draft> {
    const checked = recipeId.safeParse(id);
    if (!checked.success)
      throw new VerdictdError('USAGE', `"${id}" cannot be a recipe's id: ${checked.error.issues[0]?.message ?? 'wrong'}`);
    const dir = join(recipesDir(dataDir), `.staging-${randomBytes(6).toString('hex')}`);
    try {
      await sweep(dataDir);
      await mkdir(join(dir, 'shots'), { recursive: true, mode: 0o750 });
    } catch (thrown) {
      throw new VerdictdError(
        'DATA_DIR_UNUSABLE',
        `${recipesDir(dataDir)} cannot be written (${reason(thrown)}). Check the data directory`,
        { cause: thrown },
      );
    }
    return new Draft(dataDir, id, dir);
  }

  /** `extension` of the file, as 'png'; `source` is where the picture came from, for people. */
  async addShot(bytes: Uint8Array, extension: string, source: string): Promise<void> {
    const hash = sha256(bytes);
    const file = `shots/${hash.slice(0, 16)}${extension}`;
    await writeDurable(join(this.dir, file), bytes);
    this.shots.push({ file, sha256: hash, source });
  }

  /** Writes the bank and names it by its content. Gives its path in the staging folder. */
  async setBank(graph: Graph, vectors: number): Promise<string> {
    const staged = join(this.dir, 'bank.onnx');
    graph.writeFile(staged);
    const { sha256: hash, bytes } = await hashFile(staged);
    const file = `bank-${hash.slice(0, 16)}.onnx`;
    await rename(staged, join(this.dir, file));
    this.bank = { file, sha256: hash, bytes, vectors };
    return join(this.dir, file);
  }

  /** Makes it the recipe in force and gives it back as `loadRecipe` does. */
  async commit(decided: Decided): Promise<Recipe> {
    if (this.bank === null) throw new Error('a recipe without a bank');
    const target = join(recipesDir(this.dataDir), this.id);
    const before = await readRecipe(target, this.id).catch((thrown: unknown) => {
      if (thrown instanceof VerdictdError && thrown.code === 'RECIPE_MISSING') return null;
      throw thrown;
    });
    const number = before?.number ?? (await numberFor(this.dataDir, this.id));
    const file = recipeSchema.parse({
      format: 1,
      id: this.id,
      number,
      revision: (before?.revision ?? 0) + 1,
      shots: this.shots,
      bank: this.bank,
      ...decided,
    });
    await writeDurable(join(this.dir, recipeName), Buffer.from(recipeText(file)));
    if (before === null) await this.appear(target);
    else await this.replace(target, before);
    return await loadRecipe(this.dataDir, this.id);
  }

  /** Removes a working file from the staging folder. */
  async drop(name: string): Promise<void> {
    await rm(join(this.dir, name), { force: true });
  }

  async discard(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }

  /** A new recipe: the staging folder itself, by one rename. */
  private async appear(target: string): Promise<void> {
    await rm(target, { recursive: true, force: true }); // a folder without recipe.json is no recipe
    await syncDir(join(this.dir, 'shots'));
    await syncDir(this.dir);
    await rename(this.dir, target);
    await syncDir(dirname(target));
  }

  /** Files first, then what was in force into the history, then recipe.json by one rename. */
  private async replace(target: string, before: RecipeFile): Promise<void> {
    await mkdir(join(target, 'shots'), { recursive: true, mode: 0o750 });
    const names = [...this.shots.map(({ file }) => file), ...(this.bank === null ? [] : [this.bank.file])];
    for (const name of names) await rename(join(this.dir, name), join(target, name)).catch(ignoreMissing); // the same shot may be named twice
    const history = join(target, 'history', String(before.revision));
    await mkdir(history, { recursive: true, mode: 0o750 });
    await writeDurable(join(history, recipeName), Buffer.from(recipeText(before)));
    for (const dir of [join(target, 'shots'), history, join(target, 'history'), target]) await syncDir(dir);
    await rename(join(this.dir, recipeName), join(target, recipeName));
    await syncDir(target);
    await this.discard();
  }
}

async function ignoreMissing(thrown: NodeJS.ErrnoException): Promise<void> {
  if (thrown.code !== 'ENOENT') throw thrown;
}

/** A new file, on the disk when this resolves (writeFile's own `flush` is newer than Node 20.0). */
async function writeDurable(path: string, bytes: Uint8Array): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, 'wx', 0o640);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDir(path: string): Promise<void> {
  const dir = await open(path, 'r');
  try {
    await dir.sync();
  } finally {
    await dir.close();
  }
}
