/** Small files that are whole after a power cut: written beside, synced, then renamed over the old one. */
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** On the disk when this resolves. */
export async function replaceFile(dir: string, name: string, text: string): Promise<void> {
  const fresh = join(dir, `.${name}.new`);
  await rm(fresh, { force: true });
  const file = await open(fresh, 'wx', 0o640);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(fresh, join(dir, name));
  await syncFolder(dir);
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
