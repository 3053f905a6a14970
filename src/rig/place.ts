/** Binding and libraries to their folder outside node_modules, where `npm ci` does not reach them. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bindingFile, checkedOrtDir } from '../inspect/ort_dir';
import type { Found } from './requirements';

/**
 * Fills `<to>/<version>` and returns its path. What stood there is replaced as a whole, after `proven` has held for the new files; a
 * failure leaves it as it was. Throws as the file system does, and what `checkedOrtDir` and `proven` throw.
 */
export async function place(found: Found, binding: string, to: string, proven: (dir: string) => Promise<void>): Promise<string> {
  mkdirSync(to, { recursive: true, mode: 0o755 });
  const target = join(to, found.version);
  const staging = mkdtempSync(join(to, `.${found.version}-`));
  try {
    chmodSync(staging, 0o755); // the daemon's user reads it
    for (const { path, name } of [...found.libraries, { path: binding, name: bindingFile }]) {
      copyFileSync(path, join(staging, name));
      chmodSync(join(staging, name), 0o755);
    }
    await proven(checkedOrtDir(staging, found.version));
    const before = `${staging}.before`;
    if (existsSync(target)) renameSync(target, before);
    try {
      renameSync(staging, target);
    } catch (thrown) {
      if (existsSync(before)) renameSync(before, target);
      throw thrown;
    }
    rmSync(before, { recursive: true, force: true });
    return target;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}
