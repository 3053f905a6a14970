// A second package folder with another build of everything native in it, so that build/ stays what it is: sources and tests
// transpiled, the addon and the fake camera library compiled with other compilers or flags. node_modules is found above it.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const require = createRequire(import.meta.url);

/** The tests of a camera that load nothing but the addon and the fake library, below test/. */
export const ofCamera = ['contract', 'library', 'settings', 'faults', 'cable', 'lines', 'pairing'].map((name) => `spinnaker/${name}`);

/** Runs a command; throws with its output when it fails. */
export function must(command, args, options = {}) {
  const done = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 28, ...options });
  if (done.error !== undefined) throw new Error(`${command} cannot be started: ${done.error.message}`);
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${done.status}\n${done.stdout}${done.stderr}`);
  return done.stdout;
}

/** Why a tool cannot be used, or null. */
export function missing(command, packages) {
  const { error } = spawnSync(command, ['--version']);
  return error === undefined ? null : `there is no ${command} (Debian: apt-get install ${packages})`;
}

/** npm's own node-gyp: npm names it to the scripts it runs; else it lies beside npm. */
function nodeGyp() {
  const beside = join(dirname(process.execPath), '../lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js');
  const found = [process.env.npm_config_node_gyp, beside].find((path) => path !== undefined && existsSync(path));
  if (found === undefined) throw new Error('node-gyp was not found: start this by npm run');
  return found;
}

function javascript(ts, source) {
  const compilerOptions = { target: 'es2023', module: 'commonjs', esModuleInterop: true, inlineSourceMap: false };
  const { outputText } = ts.transpileModule(source, { compilerOptions });
  // A comment goes with the import below it, where that is of types only; this one run.cjs reads.
  const environment = /^\/\*\* @jest-environment .*\*\/\n/.exec(source)?.[0] ?? '';
  return outputText.startsWith(environment) ? outputText : environment + outputText;
}

/** TypeScript below `from` as CommonJS below each of `to`; every other file of the tests goes along. */
function transpile(from, ...to) {
  const ts = require('typescript');
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const below = path.slice(from.length + 1);
    const text = entry.name.endsWith('.ts') ? javascript(ts, readFileSync(path, 'utf8')) : null;
    for (const folder of to) {
      mkdirSync(dirname(join(folder, below)), { recursive: true });
      if (text === null) cpSync(path, join(folder, below));
      else writeFileSync(join(folder, below.replace(/\.ts$/, '.js')), text);
    }
  }
}

/**
 * Makes out/proof/`name`. `cc`, `cxx`: compilers; `flags`: of compiling and linking; `arch`: of Node, where another;
 * `headers`: folder that has include/node; `sanitize`: as of -fsanitize=. Returns the folder. Objects are kept between runs.
 */
export function shadow(name, { cc = 'cc', cxx = 'c++', flags = [], sanitize, arch = process.arch, headers }) {
  const folder = join(root, 'out', 'proof', name);
  for (const part of ['src', 'dist', 'test', 'native']) rmSync(join(folder, part), { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const file of ['package.json', 'binding.gyp']) cpSync(join(root, file), join(folder, file));
  // Times too: what has not changed is not compiled again.
  cpSync(join(root, 'native'), join(folder, 'native'), { recursive: true, preserveTimestamps: true });
  for (const part of ['config', 'models']) cpSync(join(root, part), join(folder, part), { recursive: true });
  transpile(join(root, 'src'), join(folder, 'src'), join(folder, 'dist'));
  transpile(join(root, 'test'), join(folder, 'test'));

  const all = [...flags, ...(sanitize === undefined ? [] : [`-fsanitize=${sanitize}`, '-fno-sanitize-recover=undefined'])].join(' ');
  const env = { ...process.env, CC: cc, CXX: cxx, CXXFLAGS: all, LDFLAGS: all };
  const nodedir = headers ?? dirname(dirname(process.execPath));
  const where = existsSync(join(nodedir, 'include', 'node')) ? [`--nodedir=${nodedir}`] : [];
  const gyp = (...words) => must(process.execPath, [nodeGyp(), ...words, `--arch=${arch}`, ...where], { cwd: folder, env });
  gyp('configure');
  gyp('build', '-j', '2');
  buildFake({ cc, out: join(folder, 'build', 'fake'), flags, sanitize });
  return folder;
}

/** The fake camera library and its own test into `out`. */
export function buildFake({ cc = 'cc', out, flags = [], sanitize }) {
  const env = { ...process.env, CC: cc, OUT: out, CFLAGS: flags.join(' '), ...(sanitize ? { SANITIZE: sanitize } : {}) };
  must(process.execPath, [join(root, 'test/fake-spinnaker/build.mjs'), '--if-needed', '--selftest'], { env });
}

/** Everything of native/ that knows no Node-API, and test/proof/driver on top of it, as a program of its own at `out`. */
export function buildDriver({ cxx = 'c++', out, flags = [], sanitize }) {
  const sources = ['native/frame', 'native/camera', 'native/backends', 'test/proof/driver']
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(root, folder, name)))
    .filter((file) => !/(_wrap|wrap|one_shot|to_js|develop)\.(cc|h)$/.test(file));
  if (existsSync(out) && sources.every((file) => statSync(file).mtimeMs < statSync(out).mtimeMs)) return out;
  const warnings = ['-Wall', '-Wextra', '-Werror', '-ffp-contract=off'];
  const all = [...flags, ...warnings, ...(sanitize === undefined ? [] : [`-fsanitize=${sanitize}`, '-fno-sanitize-recover=undefined'])];
  mkdirSync(dirname(out), { recursive: true });
  const compiled = sources.filter((file) => file.endsWith('.cc'));
  must(cxx, ['-std=c++17', ...all, `-I${join(root, 'native')}`, ...compiled, '-pthread', '-ldl', '-o', out]);
  return out;
}
