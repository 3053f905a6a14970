/** What people add to the records: judgements of parts, and the choice of the recipe. The same work with a running station or without. */
import { z } from 'zod';
import type { Calls } from '../control/calls';
import { activateRecipe } from '../recipe/active';
import { withLimit } from '../recipe/recalibrate';
import { recipeId, recipeSchema } from '../recipe/recipe';
import { revise, rollback } from '../recipe/revise';
import { loadRecipe } from '../recipe/store';
import type { SqliteLog } from '../store/log';

export interface Records {
  dataDir: string;
  log: Pick<SqliteLog, 'label' | 'audit'>;
}

const who = z.string().min(1).max(64);
export const labelArgs = z.strictObject({
  resultId: z.string().regex(/^[A-Za-z0-9]{1,14}$/),
  label: z.enum(['good', 'bad']),
  description: z.string().max(200),
  by: who,
});
export const activateArgs = z.strictObject({ recipe: recipeId, by: who });
export const rollbackArgs = z.strictObject({ recipe: recipeId, to: z.int().positive().nullable(), by: who });
export const limitArgs = z.strictObject({
  recipe: recipeId,
  revision: z.int().positive(), // the one it was worked out for
  limit: recipeSchema.shape.limit,
  temperature: recipeSchema.shape.temperature.unwrap().nullable(),
  by: who,
});

export type LabelArgs = z.infer<typeof labelArgs>;
export type ActivateArgs = z.infer<typeof activateArgs>;
export type RollbackArgs = z.infer<typeof rollbackArgs>;
export type LimitArgs = z.infer<typeof limitArgs>;

export interface Changed {
  recipe: string;
  number: number;
  revision: number;
  limit: number;
}

export async function addLabel({ log }: Records, args: LabelArgs): Promise<{ id: number }> {
  return { id: await log.label(args) };
}

export async function activate({ dataDir, log }: Records, { recipe, by }: ActivateArgs): Promise<Changed> {
  const audit = (action: string, detail: object) => log.audit({ actor: by, action, detail: JSON.stringify(detail) });
  const { file } = await activateRecipe(recipe, { dataDir, audit });
  return { recipe, number: file.number, revision: file.revision, limit: file.limit.value };
}

/** The audit row comes first: no change is without one. */
export async function goBack({ dataDir, log }: Records, { recipe, to, by }: RollbackArgs): Promise<Changed> {
  await log.audit({ actor: by, action: 'recipeRollback', detail: JSON.stringify({ recipe, to }) });
  const { file } = await rollback(dataDir, recipe, to);
  return { recipe, number: file.number, revision: file.revision, limit: file.limit.value };
}

/** A limit worked out anew (recipe/recalibrate.ts) as the recipe's next revision. Throws TEACH_REFUSED, RECIPE_*. */
export async function setLimit({ dataDir, log }: Records, { recipe, by, ...wanted }: LimitArgs): Promise<Changed> {
  withLimit((await loadRecipe(dataDir, recipe)).file, wanted); // refused before anything is written down
  await log.audit({ actor: by, action: 'recipeCalibrate', detail: JSON.stringify({ recipe, ...wanted }) });
  const { file } = await revise(dataDir, recipe, (before) => withLimit(before, wanted));
  return { recipe, number: file.number, revision: file.revision, limit: file.limit.value };
}

/** The calls of a running station about the log; those about recipes take effect at once (serving.ts). */
export function serveRecords(calls: Calls, records: Records): void {
  calls.add('log.label', { args: labelArgs, limit: 10_000, run: (args) => addLabel(records, args) });
}
