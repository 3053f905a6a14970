import { join } from 'node:path';
import { VerdictdError } from './errors';
import { type Lock, lockFile } from './native';

/** Makes this process the only one that writes in `dataDir`, until `close()` or its end. Throws DATA_DIR_BUSY, NATIVE_MISSING. */
export function lockDataDir(dataDir: string): Lock {
  const lock = lockFile(join(dataDir, 'lock'));
  if (lock !== null) return lock;
  throw new VerdictdError(
    'DATA_DIR_BUSY',
    `${dataDir} is in use by another verdictd. Stop that one (systemctl stop verdictd), or give this one its own --data-dir.`,
  );
}
