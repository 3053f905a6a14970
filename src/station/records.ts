/** What people add to the records: judgements of parts, and the choice of the recipe. The same work with a running station or without. */
import { z } from 'zod';
import type { Calls } from '../control/calls';
import { activateRecipe } from '../recipe/active';
import { recipeId } from '../recipe/recipe';
import { rollback } from '../recipe/revise';
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

export type LabelArgs = z.infer<typeof labelArgs>;
export type ActivateArgs = z.infer<typeof activateArgs>;
export type RollbackArgs = z.infer<typeof rollbackArgs>;

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

/** The calls of a running station. What they choose is in force at its next start. */
export function serveRecords(calls: Calls, records: Records): void {
  calls.add('log.label', { args: labelArgs, limit: 10_000, run: (args) => addLabel(records, args) });
  calls.add('recipe.activate', { args: activateArgs, limit: 30_000, run: (args) => activate(records, args) });
  calls.add('recipe.rollback', { args: rollbackArgs, limit: 30_000, run: (args) => goBack(records, args) });
}
