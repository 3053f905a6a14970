/** Files that are made from the sources: written, or compared with what they would be. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { configDocs, sampleYaml } from '../config/docs';
import { reason, VerdictdError } from '../errors';
import { asyncapiYaml } from '../plc/asyncapi';
import { cliDocs } from './docs';

export interface Generated {
  path: string; // from the root of the package
  text: string;
}

export function generate(program: Command): Generated[] {
  return [
    { path: 'config/verdictd.yaml', text: sampleYaml() },
    { path: 'docs/config.md', text: configDocs() },
    { path: 'docs/cli.md', text: cliDocs(program) },
    { path: 'docs/asyncapi.yaml', text: asyncapiYaml() },
  ];
}

function present(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

/** Paths of the files under `root` that are missing or not what the sources make. */
export function stale(files: readonly Generated[], root: string): string[] {
  return files.filter((file) => present(join(root, file.path)) !== file.text).map((file) => file.path);
}

/** Writes those that are stale; returns their paths. */
export function write(files: readonly Generated[], root: string): string[] {
  const paths = stale(files, root);
  for (const file of files.filter((one) => paths.includes(one.path))) {
    const target = join(root, file.path);
    try {
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, file.text);
    } catch (thrown) {
      throw new VerdictdError('USAGE', `${target} cannot be written (${reason(thrown)}). Run this in a checkout that is yours`, {
        cause: thrown,
      });
    }
  }
  return paths;
}
