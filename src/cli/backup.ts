/** `verdictd backup` and `verdictd restore`: the station's records and recipes in one file, and back. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { makeBackup } from '../backup/backup';
import { restoreBackup } from '../backup/restore';
import { defaultBundleDir } from '../bundle/load';
import { systemClock } from '../clock';
import { VerdictdError } from '../errors';
import { lockDataDir } from '../lock';
import { version } from '../package';
import type { Context } from './context';

async function backup(context: Context, file: string, { force }: { force?: boolean }): Promise<void> {
  const path = resolve(file);
  if (existsSync(path) && force !== true) {
    throw new VerdictdError('USAGE', `${path} is there already. Choose another name, or add --force to replace it.`);
  }
  const config = context.config();
  const source = {
    dataDir: context.dataDir(),
    station: config.station.name,
    version,
    created: systemClock.wall(),
    configFile: context.configFile === null ? null : resolve(context.configFile),
    bundleDir: resolve(config.bundle.path ?? defaultBundleDir()),
  };
  const made = await makeBackup(path, source, context.signal);
  for (const warning of made.warnings) context.io.err(warning);
  if (context.io.json) context.io.outJson(made);
  else context.io.out(`${path}: ${made.files} files, ${made.bytes} bytes, the log up to record ${made.journalSeq}; pictures are not in it`);
}

async function restore(context: Context, file: string, { force }: { force?: boolean }): Promise<void> {
  const path = resolve(file);
  if (!existsSync(path)) throw new VerdictdError('USAGE', `There is no file ${path}. Give a file that \`verdictd backup\` made.`);
  const dataDir = context.makeDataDir();
  const lock = lockDataDir(dataDir);
  try {
    const { manifest, kept, numbersAfter } = await restoreBackup(path, dataDir, { force: force === true, signal: context.signal });
    if (context.io.json) {
      context.io.outJson({ dataDir, created: manifest.created, journalSeq: manifest.log.journalSeq, numbersAfter, kept });
      return;
    }
    context.io.out(`${dataDir}: restored as of ${manifest.created}; the log ends at record ${manifest.log.journalSeq}`);
    if (kept !== null) context.io.out(`what was there is in ${resolve(dataDir, kept)}`);
    if (manifest.files.some(({ path: name }) => name === 'config.yaml'))
      context.io.out(`the configuration of then is ${resolve(dataDir, 'config.from-backup.yaml')}: compare it with the one in force`);
  } finally {
    lock.close();
  }
}

export function register(program: Command, context: Context): void {
  program
    .command('backup')
    .description('Put log, recipes, configuration and the name of the model into one file, also while the station runs.')
    .argument('<file>', 'file to make (tar), on a disk with room for it twice')
    .option('--force', 'replace the file')
    .action((file: string, options: { force?: boolean }) => backup(context, file, options));
  program
    .command('restore')
    .description('Put a backup into the data directory of a stopped station. Everything is checked before anything is touched.')
    .argument('<file>', 'file that backup made')
    .option('--force', 'into a data directory that is in use: log and recipes are replaced, the old ones kept beside')
    .action((file: string, options: { force?: boolean }) => restore(context, file, options));
}
