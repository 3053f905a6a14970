// The addon, built unless the one in build/ is newer than all its sources and loads here. Run by `npm ci`, by `npm test` (which must not
// test a stale one), and by the first `npx verdictd`, which npm makes an installation of this checkout into its cache.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const built = join(root, 'build', 'Release', 'verdictd.node');

/** Newest modification below `path`, in ms; 0 where there is nothing. */
function newest(path) {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

/** In a process of its own: an addon of another machine may do worse than throw. */
function loads() {
  return spawnSync(process.execPath, ['-e', 'require(process.argv[1])', built], { stdio: 'ignore' }).status === 0;
}

const sources = Math.max(newest(join(root, 'native')), newest(join(root, 'binding.gyp')));
if (newest(built) < sources || !loads()) {
  const preGyp = createRequire(import.meta.url).resolve('@mapbox/node-pre-gyp/bin/node-pre-gyp');
  // No host of prebuilt binaries is named yet: from source.
  const { status, error } = spawnSync(process.execPath, [preGyp, 'install', '--build-from-source'], {
    cwd: root,
    stdio: 'inherit',
    env: { JOBS: 'max', ...process.env },
  });
  if (error !== undefined) console.error(`node-pre-gyp cannot be started: ${error.message}`);
  process.exitCode = status ?? 1;
}
