/** `verdictd calibrate`: a recipe's limit anew from logged parts that people have judged; shown first, applied when told to. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { comparableLimits, readLogged } from '../recipe/logged';
import { limitOf, type Recalibration, recalibrate } from '../recipe/recalibrate';
import { loadRecipe } from '../recipe/store';
import type { Changed } from '../station/records';
import { fileName } from '../store/open';
import type { Context } from './context';
import { integer, number, slug } from './options';
import { actor, record } from './records';

interface Options {
  recipe: string;
  falseReject?: number;
  grey?: number;
  last: number;
  apply?: boolean;
  by?: string;
}

const listed = 20; // changed parts shown at a terminal

async function run(context: Context, { recipe: id, last, apply, by, ...options }: Options): Promise<void> {
  const { io } = context;
  const dataDir = context.dataDir();
  const recipe = await loadRecipe(dataDir, id);
  const { limit } = recipe.file;
  const comparable = await comparableLimits(dataDir, recipe);
  const logged = readLogged(join(dataDir, fileName), recipe.file, comparable, last);
  const found = recalibrate(recipe.file, logged, comparable, {
    falseReject: options.falseReject ?? limit.falseReject,
    grey: options.grey ?? limit.grey,
  });
  if (!io.json) say(context, found);
  const applied = apply === true ? await put(context, found, by) : null;
  if (io.json) io.outJson({ ...found, applied });
  else if (applied !== null) io.out(`applied: recipe ${id} is revision ${applied.revision}, limit ${applied.limit.toFixed(3)}`);
  else io.out('nothing was changed; with --apply it becomes a revision of the recipe');
}

async function put(context: Context, found: Recalibration, by: string | undefined): Promise<Changed> {
  const { recipe, revision, temperature } = found;
  const args = { recipe, revision, limit: limitOf(found), temperature: temperature?.value ?? null, by: actor(by) };
  return (await record(context, 'recipe.limit', args)).value;
}

function say({ io }: Context, { recipe, before, after, labelled, goodNotOk, verdicts, temperature, warnings }: Recalibration): void {
  for (const warning of warnings) io.err(`warning: ${warning}`);
  const terms = (of: { limit: number; grey: number; provisional: boolean }): string =>
    `${of.limit.toFixed(3)}${of.grey > 0 ? `, grey zone ${of.grey.toFixed(3)}` : ''}${of.provisional ? ', provisional' : ''}`;
  io.out(`recipe ${recipe}: limit ${terms(before)} -> ${terms(after)}`);
  io.out(after.rule);
  io.out(`labelled: ${labelled.good} good (not OK ${goodNotOk.before} -> ${goodNotOk.after}), ${labelled.bad} bad`);
  if (temperature !== null)
    io.out(
      `temperature of the class probabilities: ${temperature.value.toFixed(2)} (log loss ${temperature.lossBefore.toFixed(3)} -> ${temperature.lossAfter.toFixed(3)})`,
    );
  const unlike = verdicts.unlike === 0 ? '' : `, ${verdicts.unlike} of them by another model, bank or rule: not compared`;
  io.out(`of the last ${verdicts.looked} verdicts ${verdicts.parts.length} would change${unlike}`);
  for (const { from, to, parts } of verdicts.changed) io.out(`  ${from} -> ${to}: ${parts}`);
  for (const { resultId, partId, score, from, to } of verdicts.parts.slice(-listed))
    io.out(`  ${resultId}  ${partId || '-'}  ${score.toFixed(3)}  ${from} -> ${to}`);
}

export function register(program: Command, context: Context): void {
  program
    .command('calibrate')
    .description(
      'Set the limit of a recipe anew from logged parts that people have judged (log label), and show which verdicts would have changed. Nothing is written without --apply.',
    )
    .requiredOption('--recipe <id>', 'recipe', slug)
    .option('--false-reject <share>', 'share of good parts the limit may reject; default: as the recipe says', number(1e-5, 0.5))
    .option('--grey <width>', 'half width of the grey zone, in score; default: as the recipe says', number(0, 1000))
    .option('--last <n>', 'newest verdicts to look back on', integer(1, 1_000_000), 1000)
    .option('--apply', 'make it a new revision of the recipe')
    .option('--by <name>', 'who does it, for the audit; default: the account')
    .action((options: Options) => run(context, options));
}
