/** `verdictd recipe`: what products this station knows. Reads only. */
import type { Command } from 'commander';
import { ExitCode } from '../errors';
import { listRecipes, loadRecipe } from '../recipe/store';
import type { Context } from './context';
import { slug } from './options';

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

async function show(context: Context, id: string): Promise<void> {
  const { io } = context;
  const { file, dir, bankPath } = await loadRecipe(context.dataDir(), id);
  if (io.json) {
    io.outJson({ ...file, dir, bankPath });
    return;
  }
  const { limit } = file;
  io.out(`recipe ${file.id} (number ${file.number}, revision ${file.revision}): ${file.title}`);
  io.out(
    `taught ${file.created} from ${file.shots.length} shots with ${file.bundle.name} ${file.bundle.sha256.slice(0, 8)}, symmetry ${file.symmetry}`,
  );
  io.out(`limit ${limit.value.toFixed(3)}, grey zone ${limit.grey.toFixed(3)}: ${limit.rule}`);
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
}
