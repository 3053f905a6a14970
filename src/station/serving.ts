/** The control socket's calls about recipes, teaching and master parts; what they change takes effect at once. */
import { z } from 'zod';
import type { Calls } from '../control/calls';
import type { Ms } from '../ports';
import { addMaster, masterName, readMasters } from '../recipe/masters';
import { type Recipe, recipeId } from '../recipe/recipe';
import type { Judging } from './judging';
import { activateArgs, type Changed, goBack, limitArgs, type Records, rollbackArgs, setLimit } from './records';
import { mostParts } from './teaching';

const nothing = z.strictObject({});
const who = z.string().min(1).max(64);
const soon: Ms = 30_000;
/** Coreset and bank of many shots take their time. */
const building: Ms = 110_000;

export const teachArgs = z.strictObject({
  recipe: recipeId,
  shots: z.int().min(1).max(mostParts),
  heldOut: z.int().min(0).max(mostParts),
});
export const masterArgs = z.strictObject({ recipe: recipeId, partId: masterName, expect: z.enum(['good', 'bad']), by: who });

function changed({ file: { id, number, revision, limit } }: Recipe): Changed {
  return { recipe: id, number, revision, limit: limit.value };
}

export function serveRecipes(calls: Calls, judging: Judging, records: Records, utc: () => string): void {
  const { dataDir } = records;
  calls.add('recipe.activate', {
    args: activateArgs,
    limit: soon,
    run: async ({ recipe, by }) => changed(await judging.opened.activate(recipe, by)),
  });
  calls.add('recipe.rollback', {
    args: rollbackArgs,
    limit: soon,
    run: (args) => judging.opened.revised(args.recipe, () => goBack(records, args)),
  });
  calls.add('recipe.limit', {
    args: limitArgs,
    limit: soon,
    run: (args) => judging.opened.revised(args.recipe, () => setLimit(records, args)),
  });
  calls.add('recipe.ready', { args: nothing, limit: soon, run: () => ({ ready: judging.opened.ready }) });

  calls.add('teach.start', { args: teachArgs, limit: soon, run: (lesson) => judging.teachStart(lesson) });
  calls.add('teach.status', { args: nothing, limit: soon, run: () => judging.teachStatus() });
  calls.add('teach.discard', {
    args: z.strictObject({ n: z.int().positive() }),
    limit: soon,
    run: ({ n }) => judging.teachDiscard(n),
  });
  calls.add('teach.commit', { args: z.strictObject({ by: who }), limit: building, run: ({ by }) => judging.teachCommit(by) });
  calls.add('teach.abort', {
    args: nothing,
    limit: soon,
    run: async () => {
      await judging.teachAbort();
      return {};
    },
  });

  calls.add('master.add', {
    args: masterArgs,
    limit: soon,
    run: ({ recipe, ...master }) => addMaster(dataDir, recipe, { ...master, added: utc() }),
  });
  calls.add('master.list', { args: z.strictObject({ recipe: recipeId }), limit: soon, run: ({ recipe }) => readMasters(dataDir, recipe) });
  calls.add('master.start', { args: nothing, limit: soon, run: () => judging.master.start() });
  calls.add('master.status', { args: nothing, limit: soon, run: () => judging.master.status() });
  calls.add('master.end', { args: nothing, limit: soon, run: () => judging.master.end() });
}
