/** A camera library that others may write is refused before its first instruction runs, wherever it was found. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/package';

let dir: string;
let folder: string;
let marker: string;
let library: string;
const soname = 'libaravis-0.8.so.0';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'verdictd-trust-'));
  folder = join(dir, 'lib');
  marker = join(dir, 'it-ran');
  library = join(folder, soname);
  mkdirSync(folder);
  const source = `#include <stdio.h>\n__attribute__((constructor)) static void run(void) { FILE *f = fopen("${marker}", "w"); if (f) fclose(f); }`;
  execFileSync(process.env.CC ?? 'cc', ['-shared', '-fPIC', '-x', 'c', '-', '-o', library], { input: source });
  chmodSync(library, 0o755);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** What opening says, in a process of its own: the loader's path is read at its start. */
function refusal(path: string, env: Record<string, string> = {}): string {
  const options = {
    ...{ backend: 'aravis', library: path, device: 'X', acceptOutput: '', buffers: 1 },
    ...{ packetSize: 0, packetDelay: -1, socketBuffer: 0, packetSocket: false },
  };
  const script = `const {native}=require(${JSON.stringify(join(packageRoot, 'dist/native.js'))});
    const c=new (native().Camera)(${JSON.stringify(options)},()=>{});
    c.list().then(()=>console.log('found'),(e)=>console.log(e.cause+': '+e.message)).then(()=>c.close())`;
  return execFileSync(process.execPath, ['-e', script], { encoding: 'utf8', env: { ...process.env, ...env } });
}

test('in good hands it is loaded: here it lacks every function', () => {
  expect(refusal(library)).toContain(`${library}: it has no function`);
  expect(existsSync(marker)).toBe(true);
});

test('found by its name: loaded from where it was found', () => {
  expect(refusal('', { LD_LIBRARY_PATH: `relative:${folder}` })).toMatch(/found|has no function/);
  expect(existsSync(marker)).toBe(true);
});

test.each([
  ['by its path', (): string => refusal(library)],
  ['by its name', (): string => refusal('', { LD_LIBRARY_PATH: folder })],
  [
    'by a link to it',
    (): string => {
      symlinkSync(library, join(dir, 'link.so'));
      return refusal(join(dir, 'link.so'));
    },
  ],
])('others may write it, %s: it does not run', (_, ask) => {
  chmodSync(library, 0o775);
  const text = ask();
  // By its name, the system's own may be found after it.
  if (!text.startsWith('found')) expect(text).toContain(`its group or others may write it, so it is not loaded: chmod go-w ${library}`);
  expect(existsSync(marker)).toBe(false);
});

test('others may write a folder above it: it does not run', () => {
  chmodSync(dir, 0o777);
  expect(refusal(library)).toContain(`of its folder ${dir} group or others may write it, so it is not loaded: chmod go-w ${dir}`);
  expect(existsSync(marker)).toBe(false);
});
