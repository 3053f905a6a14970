/** Without an addon, or with one that does not load here: what happened and what to do. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/package';

/** A copy of the compiled loader in a package of its own, and what it throws there. */
function thrownIn(root: string): { code: string; message: string } {
  const script = `try { require('./dist/native.js').native(); } catch (e) { console.log(JSON.stringify({ code: e.code, message: e.message })); }`;
  return JSON.parse(execFileSync(process.execPath, ['-e', script], { cwd: root, encoding: 'utf8' })) as { code: string; message: string };
}

function copy(): string {
  const root = mkdtempSync(join(tmpdir(), 'verdictd-loader-'));
  cpSync(join(packageRoot, 'package.json'), join(root, 'package.json'));
  mkdirSync(join(root, 'dist'));
  for (const name of ['native.js', 'errors.js', 'package.js']) cpSync(join(packageRoot, 'dist', name), join(root, 'dist', name));
  return root;
}

test('not built', () => {
  const root = copy();
  expect(thrownIn(root)).toEqual({ code: 'NATIVE_MISSING', message: expect.stringContaining(`Run \`npm rebuild\` in ${root}`) });
});

test('built for another machine, or cut short', () => {
  const root = copy();
  mkdirSync(join(root, 'build', 'Release'), { recursive: true });
  writeFileSync(join(root, 'build', 'Release', 'verdictd.node'), 'no shared object');
  const { code, message } = thrownIn(root);
  expect(code).toBe('NATIVE_MISSING');
  expect(message).toMatch(/cannot be loaded on this .* machine: .*Run `npm rebuild`/s);
});
