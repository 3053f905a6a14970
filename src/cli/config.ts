/** `verdictd config`: checks a configuration; writes and checks what is generated. */
import { accessSync, constants, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../config/load';
import { environmentName } from '../config/tree';
import { ExitCode, reason, VerdictdError } from '../errors';
import { packageRoot } from '../package';
import type { Context } from './context';
import { generate, stale, write } from './generated';

/** Holds a secret, and everybody may read or write it. */
const secretKeys = ['plc.passwordFile', 'plc.keyFile'];

/** Files that the configuration names and that cannot be read here and now (on the rig they may well be), or are too open. */
function warnings(config: Config): string[] {
  const { camera, bundle, plc } = config;
  const named: [string, string | null][] = [
    ['bundle.path', bundle.path],
    ...(camera.kind === 'files' ? camera.files.paths.map((path): [string, string] => ['camera.files.paths', path]) : []),
    ['plc.passwordFile', plc.passwordFile],
    ['plc.caFile', plc.caFile],
    ['plc.certFile', plc.certFile],
    ['plc.keyFile', plc.keyFile],
  ];
  return named.flatMap(([key, path]) => {
    if (path === null) return [];
    if (path.startsWith('credential:')) return []; // systemd gives it to the service alone
    try {
      accessSync(path, constants.R_OK);
      const open = secretKeys.includes(key) && (statSync(path).mode & 0o007) !== 0;
      return open ? [`${key}: everybody may read ${resolve(path)}; make it private with chmod 600, or the station will not start`] : [];
    } catch (thrown) {
      return [`${key}: ${resolve(path)} cannot be read here and now (${reason(thrown)})`];
    }
  });
}

function check(context: Context, file: string | undefined): void {
  const path = file ?? context.configFile;
  const config = context.load(path);
  const found = warnings(config);
  if (context.io.json) {
    context.io.outJson({ file: path, ok: true, sha256: config.sha256, warnings: found });
    return;
  }
  context.io.out(`${path ?? 'the defaults'}: ok, configuration ${config.sha256.slice(0, 8)}`);
  for (const warning of found) context.io.err(`warning: ${warning}`);
}

interface DocsOptions {
  write?: boolean;
  check?: boolean;
  root?: string;
}

function docs(context: Context, program: Command, options: DocsOptions): void {
  if (options.write === options.check) throw new VerdictdError('USAGE', 'config docs: expected either --write or --check');
  const files = generate(program);
  const root = resolve(options.root ?? packageRoot);
  const paths = options.write === true ? write(files, root) : stale(files, root);
  const failed = options.check === true && paths.length > 0;
  if (failed) context.exitCode = ExitCode.failed;
  if (context.io.json) {
    context.io.outJson({ ok: !failed, [options.write === true ? 'written' : 'stale']: paths });
    return;
  }
  for (const path of paths) {
    if (failed) context.io.err(`${path} is not what the sources make. Run \`npm run docs\` and commit the file.`);
    else context.io.out(`wrote ${path}`);
  }
  if (paths.length === 0) context.io.out(`${files.map((file) => file.path).join(', ')}: current`);
}

export function register(program: Command, context: Context): void {
  const config = program.command('config').description('Check the configuration; write the documents made from the sources.');
  config
    .command('check')
    .description(
      `Check a configuration with the environment (such as ${environmentName('plc.url')}) and --set as they are; exit code 78 and every mistake if it is wrong.`,
    )
    .argument('[file]', 'YAML file; without it that of --config, without that the defaults')
    .action((file: string | undefined) => check(context, file));
  config
    .command('docs')
    .description('Write docs/config.md, docs/cli.md and config/verdictd.yaml from the sources, or check that they are current.')
    .option('--write', 'write those that are not current')
    .option('--check', 'name those that are not current; exit code 1 if there are any')
    .option('--root <dir>', 'where docs/ and config/ are, if not in this package')
    .action((options: DocsOptions) => docs(context, program, options));
}
