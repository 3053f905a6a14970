import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The package's own folder: where package.json lies, whether this file runs from src (tests) or from dist. */
export const packageRoot: string = (() => {
  let dir = __dirname;
  while (!existsSync(join(dir, 'package.json'))) {
    const up = dirname(dir);
    if (up === dir) throw new Error(`verdictd is not inside its package: no package.json above ${__dirname}`);
    dir = up;
  }
  return dir;
})();

/** Version of package.json, for `--version`, `about` and the log. */
export const version: string = (JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }).version;
