/**
 * A recipe in the making: its files are staged beside the recipes, and nothing is seen of them before `commit`. They are written while
 * teaching goes on; `commit` waits until the last of them is on the disk.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { reason, VerdictdError } from '../errors';
import { sha256 } from '../hash';
import type { Graph } from '../onnx/graph';
import { syncFolder } from './durable';
import { type Recipe, type RecipeFile, recipeId, recipeSchema } from './recipe';
import { numberFor, readRecipe, recipeName, recipesDir, recipeText, sweep } from './store';

type Shot = RecipeFile['shots'][number];
/** What the caller decides; the rest follows from the files and from what was there before. */
export type Decided = Omit<RecipeFile, 'format' | 'id' | 'number' | 'revision' | 'shots' | 'bank'>;

/** Owner of the staging folder; `commit` or `discard` is its end. One writer a data directory (the caller holds its lock). */
export class Draft {
  /** By their turn; empty while one is not written yet. */
  private readonly shots: (Shot | null)[] = [];
  private bank: RecipeFile['bank'] | null = null;
  /** By name, as begun. */
  private readonly writing = new Map<string, Promise<void>>();
  private readonly pending: Promise<void>[] = [];

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

  /**
   * `extension` of the file, as '.png'; `source` is where the picture came from, for people. Shots stand in the recipe in the order of
   * the calls. Need not be waited for: `commit` does, and throws what this throws.
   */
  addShot(bytes: Uint8Array | Promise<Uint8Array>, extension: string, source: string): Promise<void> {
    const turn = this.shots.push(null) - 1;
    return this.later(async () => {
      const whole = await bytes;
      const hash = sha256(whole);
      const file = `shots/${hash.slice(0, 16)}${extension}`;
      await this.write(file, whole);
      this.shots[turn] = { file, sha256: hash, source };
    });
  }

  /** Begins to write the bank, named by its content. Gives the model's bytes. */
  setBank(graph: Graph, vectors: number): Uint8Array {
    const bytes = graph.toBuffer();
    const hash = sha256(bytes);
    const file = `bank-${hash.slice(0, 16)}.onnx`;
    this.bank = { file, sha256: hash, bytes: bytes.length, vectors };
    void this.later(() => this.write(file, bytes));
    return bytes;
  }

  /** Makes it the recipe in force, once all its files are on the disk. Throws DATA_DIR_UNUSABLE where one could not be written. */
  async commit(decided: Decided): Promise<Recipe> {
    if (this.bank === null) throw new Error('a recipe without a bank');
    await Promise.all(this.pending);
    const shots = this.shots.flatMap((shot) => shot ?? []);
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
      shots,
      bank: this.bank,
      ...decided,
    });
    await writeDurable(join(this.dir, recipeName), Buffer.from(recipeText(file)));
    if (before === null) await this.appear(target);
    else await this.replace(target, before, file);
    return { dir: target, file, bankPath: join(target, file.bank.file) };
  }

  async discard(): Promise<void> {
    await Promise.allSettled(this.pending); // no file may appear afterwards
    await rm(this.dir, { recursive: true, force: true });
  }

  private later(work: () => Promise<void>): Promise<void> {
    const done = work();
    done.catch(() => undefined); // commit tells; where it does not come to that, something else was told
    this.pending.push(done);
    return done;
  }

  /** Two shots of the same bytes are one file. */
  private write(file: string, bytes: Uint8Array): Promise<void> {
    const begun = this.writing.get(file) ?? writeDurable(join(this.dir, file), bytes);
    this.writing.set(file, begun);
    return begun;
  }

  /** A new recipe: the staging folder itself, by one rename. */
  private async appear(target: string): Promise<void> {
    await rm(target, { recursive: true, force: true }); // a folder without recipe.json is no recipe
    await Promise.all([syncFolder(join(this.dir, 'shots')), syncFolder(this.dir)]);
    await rename(this.dir, target);
    await syncFolder(dirname(target));
  }

  /** Files first, then what was in force into the history, then recipe.json by one rename. */
  private async replace(target: string, before: RecipeFile, { shots, bank }: RecipeFile): Promise<void> {
    await mkdir(join(target, 'shots'), { recursive: true, mode: 0o750 });
    for (const name of [...shots.map(({ file }) => file), bank.file])
      await rename(join(this.dir, name), join(target, name)).catch(ignoreMissing); // the same shot may be named twice
    const history = join(target, 'history', String(before.revision));
    await mkdir(history, { recursive: true, mode: 0o750 });
    await writeDurable(join(history, recipeName), Buffer.from(recipeText(before)));
    await Promise.all([join(target, 'shots'), history, join(target, 'history'), target].map(syncFolder));
    await rename(join(this.dir, recipeName), join(target, recipeName));
    await syncFolder(target);
    await this.discard();
  }
}

async function ignoreMissing(thrown: NodeJS.ErrnoException): Promise<void> {
  if (thrown.code !== 'ENOENT') throw thrown;
}

/** A new file, on the disk when this resolves (writeFile's own `flush` is newer than Node 20.0). Throws DATA_DIR_UNUSABLE. */
async function writeDurable(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await rm(path, { force: true });
    const file = await open(path, 'wx', 0o640);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (thrown) {
    const what = `${path} cannot be written (${reason(thrown)}). Make room on the disk, or check the data directory; nothing was changed`;
    throw new VerdictdError('DATA_DIR_UNUSABLE', what, { cause: thrown });
  }
}
