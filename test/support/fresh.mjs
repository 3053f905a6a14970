// Builds the addon again if a source of it is newer than what was built: `npm test` must not test a stale one.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const built = join(root, 'build', 'Release', 'verdictd.node');

/** Newest modification below `path`, in ms; 0 where there is nothing. */
function newest(path) {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

const sources = Math.max(newest(join(root, 'native')), newest(join(root, 'binding.gyp')));
if (sources > newest(built)) {
  console.log('the native addon is missing or older than its sources: building it');
  const npm = process.env.npm_execpath;
  const [command, before] = npm === undefined ? ['npm', []] : [process.execPath, [npm]];
  const { status, error } = spawnSync(command, [...before, 'run', 'build:native'], { cwd: root, stdio: 'inherit' });
  if (error !== undefined) console.error(`npm run build:native cannot be started: ${error.message}`);
  process.exitCode = status ?? 1;
}
