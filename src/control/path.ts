import { join } from 'node:path';
import { VerdictdError } from '../errors';

/** sun_path of Linux, without its closing NUL. */
const longest = 107; // bytes

/** The control socket of a data directory. Throws DATA_DIR_UNUSABLE where the path is longer than a socket's name may be. */
export function controlPath(dataDir: string): string {
  const path = join(dataDir, 'control.sock');
  const bytes = Buffer.byteLength(path);
  if (bytes <= longest) return path;
  throw new VerdictdError(
    'DATA_DIR_UNUSABLE',
    `${path} is ${bytes} bytes long; the name of a socket holds ${longest}. Use a data directory with a shorter path.`,
  );
}
