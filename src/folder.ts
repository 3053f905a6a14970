import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it, one level at a time: Node's recursive mkdir never returns where a parent exists but takes no
 * folder (as /proc). Throws what mkdir throws.
 * `mode` is of the last level; those above get 0750.
 */
export function makeFolder(path: string, mode = 0o750): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path, { mode });
}
