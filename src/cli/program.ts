/** The program: global options, and what holds for every command. */
import { Command, Option } from 'commander';
import { levels } from '../diagnostics';
import { version } from '../package';
import type { Context, GlobalOptions } from './context';
import { collect } from './options';

/** Adds one command (or a group of them) to the program. Each file in src/cli that is a command exports one as `register`. */
export type Register = (program: Command, context: Context) => void;

/** Commander's sentence without its label, ended as a sentence. */
export function usageText(text: string): string {
  const sentence = text.replace(/^error: /, '').trim();
  return /[.?!)]$/.test(sentence) ? sentence : `${sentence}.`;
}

/** How a person types it: `verdictd log list`. */
function typed(command: Command): string {
  return command.parent === null ? command.name() : `${typed(command.parent)} ${command.name()}`;
}

function finish(command: Command): void {
  command.configureOutput({
    outputError: (text, write) => write(`verdictd: ${usageText(text)} See \`${typed(command)} --help\` [USAGE]\n`),
  });
  command.exitOverride();
  command.helpCommand(false);
  command.configureHelp({ showGlobalOptions: true, sortSubcommands: false });
  for (const child of command.commands) finish(child);
  const isCommand = command.parent !== null && command.commands.length === 0;
  if (isCommand && !command.options.some((option) => option.long === '--json')) {
    command.option('--json', 'machine-readable output, one JSON text a line');
  }
}

export function buildProgram(context: Context, registers: readonly Register[]): Command {
  const program = new Command('verdictd')
    .description('Camera inspection station: a verdict a PLC can trust.')
    .version(version, '--version', 'print the version')
    .option('--config <file>', 'configuration (YAML); without it every key has its default')
    .option(
      '--data-dir <dir>',
      'folder of log, recipes and pictures (default: dataDir of the configuration, else $STATE_DIRECTORY, else ./data)',
    )
    .addOption(new Option('--log-level <level>', 'messages on stderr from this level on').choices(levels))
    .option('--set <key=value>', 'one configuration value, before file and environment; may be repeated', collect)
    .helpOption('-h, --help', 'print this help');

  for (const register of registers) register(program, context);
  finish(program);
  program.hook('preAction', (_, action) => {
    context.take(program.opts<GlobalOptions>());
    context.io.json = action.opts<{ json?: boolean }>().json === true;
  });
  return program;
}
