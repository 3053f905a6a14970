/** Who may write a file decides what runs from it: programs, libraries and engines are taken only from root's or our own hands. */
import { existsSync, lstatSync, realpathSync, type Stats } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { reason } from '../errors';

const othersWrite = 0o022;
const sticky = 0o1000;

function writable(path: string, stats: Stats): string | null {
  const own = process.getuid?.() ?? 0;
  if (stats.uid !== 0 && stats.uid !== own) return `${path} belongs to user ${stats.uid}; expected root or user ${own}`;
  // In a sticky folder such as /tmp, others can add files but not replace ours.
  if ((stats.mode & othersWrite) !== 0 && !(stats.isDirectory() && (stats.mode & sticky) !== 0)) {
    const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0');
    return `${path} can be written by others (mode ${mode}); chmod go-w it`;
  }
  return null;
}

/**
 * Why `path` must not be run or loaded; null where it may. Links are followed; where they lead, the file and every folder above it must
 * belong to root or to this process's user, and nobody else may write there.
 */
export function distrust(path: string, kind: 'file' | 'folder'): string | null {
  if (!isAbsolute(path)) return `${path} is not an absolute path`;
  if (!existsSync(path)) return `${path} is missing`;
  try {
    const real = realpathSync(path);
    const stats = lstatSync(real);
    if (kind === 'file' ? !stats.isFile() : !stats.isDirectory()) return `${path} is not a ${kind}`;
    for (let at = real; ; at = dirname(at)) {
      const found = writable(at, lstatSync(at));
      if (found !== null) return found;
      if (at === dirname(at)) return null;
    }
  } catch (thrown) {
    return `${path} cannot be read (${reason(thrown)})`;
  }
}
