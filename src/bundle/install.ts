/**
 * Bundles under the data directory: `bundles/<name>-<hash>/`, never changed once there, and two links, `current` and `previous`. A station
 * whose bundle.path is `<data>/bundles/current` takes what was installed at its next start; what it runs meanwhile stays as it is,
 * because a bundle is known by its real folder from the moment it is loaded.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, lstat, mkdir, open, readdir, readlink, rename, rm, symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { reason, VerdictdError } from '../errors';
import { loadBundle, manifestName } from './load';
import type { Bundle } from './manifest';

export interface Installed {
  bundle: Bundle; // in its place
  link: string; // what bundle.path names
  previous: string | null; // folder that `current` named before, if another
}

export const bundlesDir = (dataDir: string): string => join(dataDir, 'bundles');

/**
 * Copies a checked bundle into the data directory, proves it there, and only then lets `current` name it. `prove` throws where the golden
 * image does not hold; then, and where the switched link does not load, everything is as it was. Throws what `prove` throws,
 * BUNDLE_REFUSED, DATA_DIR_UNUSABLE.
 */
export async function installBundle(bundle: Bundle, dataDir: string, prove: (bundle: Bundle) => Promise<void>): Promise<Installed> {
  const root = bundlesDir(dataDir);
  const name = `${bundle.manifest.name.replace(/[^A-Za-z0-9-]+/g, '-')}-${bundle.sha256.slice(0, 12)}`;
  await guarded(root, () => mkdir(root, { recursive: true, mode: 0o750 }));
  await guarded(root, () => sweep(root));
  const placed = await place(bundle, root, name);
  if (placed.sha256 !== bundle.sha256)
    throw new VerdictdError('BUNDLE_REFUSED', `${bundle.dir} changed while it was copied. Install it again`);
  await prove(placed);
  const before = await linked(root, 'current');
  await guarded(root, () => point(root, 'current', name));
  const link = join(root, 'current');
  try {
    const found = await loadBundle(link);
    if (found.sha256 !== bundle.sha256) throw new VerdictdError('BUNDLE_REFUSED', `${link} names another bundle. Install it again`);
  } catch (thrown) {
    if (before === null) await unlink(link);
    else await point(root, 'current', before);
    throw thrown;
  }
  const other = before === null || before === name ? null : before;
  if (other !== null) await guarded(root, () => point(root, 'previous', other));
  return { bundle: placed, link, previous: other === null ? null : join(root, other) };
}

/** What an install that was cut off left behind; one that is under way is younger. */
async function sweep(root: string): Promise<void> {
  const old = Date.now() - 24 * 3600 * 1000;
  for (const name of await readdir(root)) {
    if (!/^\.(staging|current|previous)-[0-9a-f]{12}$/.test(name)) continue;
    if ((await lstat(join(root, name))).mtimeMs < old) await rm(join(root, name), { recursive: true, force: true });
  }
}

/** The bundle in its folder of the data directory; one that is there already is used if it holds, and replaced if it does not. */
async function place(bundle: Bundle, root: string, name: string): Promise<Bundle> {
  const target = join(root, name);
  if (bundle.dir === target) return bundle;
  try {
    const there = await loadBundle(target);
    if (there.sha256 === bundle.sha256) return there;
  } catch (thrown) {
    if (!(thrown instanceof VerdictdError)) throw thrown;
  }
  const staging = join(root, `.staging-${randomBytes(6).toString('hex')}`);
  try {
    await guarded(root, async () => {
      await mkdir(staging, { mode: 0o750 });
      for (const file of [manifestName, ...Object.keys(bundle.manifest.files)]) {
        await copyFile(join(bundle.dir, file), join(staging, file), constants.COPYFILE_EXCL);
        await sync(join(staging, file));
      }
      await sync(staging);
      await rm(target, { recursive: true, force: true });
      await rename(staging, target);
      await sync(root);
    });
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  return await loadBundle(target);
}

/** A link is made beside and renamed over: there is always one, and it names the old or the new. */
async function point(root: string, link: string, name: string): Promise<void> {
  const made = join(root, `.${link}-${randomBytes(6).toString('hex')}`);
  await symlink(name, made);
  await rename(made, join(root, link));
  await sync(root);
}

async function linked(root: string, link: string): Promise<string | null> {
  try {
    return await readlink(join(root, link));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    const what = `${join(root, link)} is no link that verdictd made (${reason(thrown)}). Move it away`;
    throw new VerdictdError('DATA_DIR_UNUSABLE', what, { cause: thrown });
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function guarded(root: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (thrown) {
    if (thrown instanceof VerdictdError) throw thrown;
    throw new VerdictdError('DATA_DIR_UNUSABLE', `${root} cannot be written (${reason(thrown)}). Check the data directory and its disk`, {
      cause: thrown,
    });
  }
}
