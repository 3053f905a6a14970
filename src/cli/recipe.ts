/** `verdictd recipe`: what products this station knows, and which is in force. */
import type { Command } from 'commander';
import { ExitCode } from '../errors';
import { escapeText } from '../recipe/escape';
import { revisions } from '../recipe/revise';
import { listRecipes, loadRecipe } from '../recipe/store';
import type { Changed } from '../station/records';
import type { Context } from './context';
import { integer, slug } from './options';
import { actor, record } from './records';

async function list(context: Context): Promise<void> {
  const { io } = context;
  const found = await listRecipes(context.dataDir());
  if (found.some(({ problem }) => problem !== null)) context.exitCode = ExitCode.failed;
  for (const { id, file, problem } of found) {
    const facts =
      file === null
        ? null
        : {
            title: file.title,
            revision: file.revision,
            shots: file.shots.length,
            limit: file.limit.value,
            provisional: file.limit.provisional,
            bundle: file.bundle,
          };
    if (io.json) io.outJson({ recipe: id, number: file?.number ?? null, ...facts, problem });
    else if (facts === null) io.out(`${'-'.padStart(5)}  ${id.padEnd(32)}  ${problem}`);
    else
      io.out(
        `${String(file?.number).padStart(5)}  ${id.padEnd(32)}  ${facts.shots} shots, limit ${facts.limit.toFixed(3)}${facts.provisional ? ' (provisional)' : ''}  ${facts.title}`,
      );
  }
  if (found.length === 0 && !io.json) io.err(`no recipe in ${context.dataDir()}. Teach one: verdictd teach --recipe ID --good DIR`);
}

interface ByOption {
  by?: string;
}

function said({ io }: Context, what: string, { value, station }: { value: Changed; station: boolean }): void {
  const { recipe, number, revision, limit } = value;
  const takesEffect = station ? 'now' : 'at the start of the station';
  if (io.json) io.outJson({ ...value, takesEffect });
  else io.out(`recipe ${recipe} (number ${number}) ${what}: revision ${revision}, limit ${limit.toFixed(3)}, takes effect ${takesEffect}`);
}

async function activate(context: Context, id: string, { by }: ByOption): Promise<void> {
  said(context, 'activated', await record(context, 'recipe.activate', { recipe: id, by: actor(by) }));
}

async function rollback(context: Context, id: string, { to, by }: ByOption & { to?: number }): Promise<void> {
  said(context, 'rolled back', await record(context, 'recipe.rollback', { recipe: id, to: to ?? null, by: actor(by) }));
}

async function show(context: Context, id: string): Promise<void> {
  const { io } = context;
  const { file, dir, bankPath } = await loadRecipe(context.dataDir(), id);
  const history = (await revisions(context.dataDir(), id)).filter((revision) => revision < file.revision);
  if (io.json) {
    io.outJson({ ...file, dir, bankPath, history });
    return;
  }
  const { limit } = file;
  io.out(`recipe ${file.id} (number ${file.number}, revision ${file.revision}): ${file.title}`);
  io.out(
    `taught ${file.created} from ${file.shots.length} shots with ${file.bundle.name} ${file.bundle.sha256.slice(0, 8)}, symmetry ${file.symmetry}`,
  );
  io.out(`limit ${limit.value.toFixed(3)}, grey zone ${limit.grey.toFixed(3)}: ${limit.rule}`);
  if (limit.escape !== undefined) io.out(escapeText(limit.escape));
  if (file.regions !== undefined) io.out(`region rules: ${JSON.stringify({ ...file.regions, mask: file.regions.mask !== null })}`);
  if (history.length > 0) io.out(`earlier revisions: ${history.join(', ')}`);
  if (limit.provisional) io.out(`provisional: ${limit.goodParts} good parts held out, ${limit.goodPartsNeeded} needed`);
  for (const shot of file.shots) io.out(`shot ${shot.file}  from ${shot.source}`);
}

export function register(program: Command, context: Context): void {
  const recipe = program.command('recipe').description('Products this station knows.');
  recipe
    .command('list')
    .description('List recipes by id; one that cannot be read is a line with the reason, exit code 1.')
    .action(() => list(context));
  recipe
    .command('show')
    .description('Show one recipe, every file of it checked against its hash.')
    .argument('<id>', 'recipe', slug)
    .action((id: string) => show(context, id));
  recipe
    .command('activate')
    .description(
      'Put a recipe in force; goes before recipe.active of the configuration. Every file of it is checked, and the change audited.',
    )
    .argument('<id>', 'recipe', slug)
    .option('--by <name>', 'who does it, for the audit; default: the account')
    .action((id: string, options: ByOption) => activate(context, id, options));
  recipe
    .command('rollback')
    .description('Make an earlier revision of a recipe its newest; nothing is lost, and the change is audited.')
    .argument('<id>', 'recipe', slug)
    .option('--to <revision>', 'which; default: the one before', integer(1, 1_000_000))
    .option('--by <name>', 'who does it, for the audit; default: the account')
    .action((id: string, options: ByOption & { to?: number }) => rollback(context, id, options));
}
