/** docs/cli.md, from the commands themselves and from the table of errors. */
import type { Command, Option } from 'commander';
import { ExitCode, errors } from '../errors';

const exitTexts: Record<keyof typeof ExitCode, string> = {
  ok: 'done',
  failed: 'failed; stderr says why and what to do',
  usage: 'wrong arguments',
  restart: 'camera or driver needs a fresh process; the systemd unit starts one',
  config: 'the configuration is wrong; the systemd unit does not start again, as that would not help',
};

const cell = (text: string) => text.replace(/\|/g, '\\|');

function optionRow(option: Option): string {
  const fallback = option.defaultValue === undefined ? '' : ` (default: ${JSON.stringify(option.defaultValue)})`;
  return `| \`${cell(option.flags)}\` | ${cell(option.description)}${cell(fallback)} |`;
}

function optionTable(options: readonly Option[]): string[] {
  return options.length === 0 ? [] : ['| option | meaning |', '| --- | --- |', ...options.map(optionRow), ''];
}

function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

function usage(command: Command): string {
  const args = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [nameOf(command), ...(command.options.length === 0 ? [] : ['[options]']), ...args].join(' ');
}

function commandDocs(command: Command): string[] {
  if (command.commands.length > 0) return command.commands.flatMap(commandDocs);
  const args = command.registeredArguments.filter((argument) => argument.description !== '');
  return [
    `## ${nameOf(command)}`,
    '',
    '```',
    usage(command),
    '```',
    '',
    command.description(),
    '',
    ...args.map((argument) => `- \`${argument.name()}\`: ${argument.description}`),
    ...(args.length === 0 ? [] : ['']),
    ...optionTable(command.options),
  ];
}

export function cliDocs(program: Command): string {
  return [
    '# Command line',
    '',
    '<!-- Generated from src/cli and src/errors.ts by `npm run docs`. Do not edit. -->',
    '',
    'In a checkout: `npx verdictd COMMAND`. Results go to stdout, messages to stderr; with `--json` stdout holds one JSON text a line',
    'and nothing else, and a failure adds a last line `{"error":{"code","message","details"}}`. Long work shows its progress at a',
    'terminal and none in a pipe. The first SIGINT or SIGTERM ends a command in order, the second at once.',
    '',
    '## Options of every command',
    '',
    ...optionTable(program.options),
    ...program.commands.flatMap(commandDocs),
    '## Exit codes',
    '',
    '| code | meaning |',
    '| --- | --- |',
    ...Object.entries(exitTexts).map(([name, text]) => `| ${ExitCode[name as keyof typeof ExitCode]} | ${text} |`),
    '',
    '## Errors',
    '',
    '| error | exit | met when |',
    '| --- | --- | --- |',
    ...Object.entries(errors).map(([code, row]) => `| ${code} | ${row.exit} | ${cell(row.when)} |`),
    '',
  ].join('\n');
}
