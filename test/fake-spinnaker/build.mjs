// Builds the fake camera library: node test/fake-spinnaker/build.mjs [--if-needed] [--selftest]
// Environment: CC (cc), OUT (build/fake), SANITIZE (as of -fsanitize=), CFLAGS (more of them).
import { spawn } from 'node:child_process';
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, readdirSync, rmSync, statSync, symlinkSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = resolve(here, '..', '..');
const cc = process.env.CC ?? 'cc';
const out = resolve(root, process.env.OUT ?? 'build/fake');
const sanitize = process.env.SANITIZE;
const wanted = new Set(process.argv.slice(2));
const version = '4.2.0.83';
const library = join(out, `libSpinnaker_C.so.${version}`);
const selftest = join(out, 'selftest');

const words = (text) => (text ?? '').split(/\s+/).filter((word) => word !== '');
const flags = [
  '-std=c11',
  '-D_GNU_SOURCE',
  '-fPIC',
  '-O2',
  '-g',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-fvisibility=hidden',
  ...words(process.env.CFLAGS),
];
if (sanitize) flags.push(`-fsanitize=${sanitize}`, '-fno-omit-frame-pointer', '-fno-sanitize-recover=undefined');

const sources = (folder) =>
  readdirSync(join(here, folder))
    .filter((name) => name.endsWith('.c'))
    .map((name) => join(here, folder, name));
const newest = (folder) => Math.max(...readdirSync(join(here, folder)).map((name) => statSync(join(here, folder, name)).mtimeMs));

function run(args, cwd = out) {
  return new Promise((done, failed) => {
    const child = spawn(cc, args, { cwd, stdio: 'inherit' });
    child.once('error', (error) => failed(new Error(`${cc} cannot be started: ${error.message}. Install a C compiler or set CC.`)));
    child.once('exit', (code) => (code === 0 ? done() : failed(new Error(`${cc} ended with ${code}`))));
  });
}

function link(to, name) {
  rmSync(name, { force: true });
  symlinkSync(to, name);
}

async function build() {
  const objects = join(out, 'objects');
  mkdirSync(objects, { recursive: true });
  const files = sources('lib');
  const lanes = [0, 1].map((lane) => files.filter((_, i) => i % 2 === lane));
  await Promise.all(lanes.map((lane) => run([...flags, '-c', ...lane], objects)));
  const made = files.map((file) => join(objects, `${file.slice(file.lastIndexOf('/') + 1, -2)}.o`));
  const shared = [...flags, '-shared', ...made, '-Wl,-soname,libSpinnaker_C.so.4', '-pthread', '-lm', '-ldl'];
  // As an installed SDK has them, and one whose newest is version 3.
  for (const folder of ['v3', 'missing-symbol', 'missing-dependency', 'wrong-machine']) mkdirSync(join(out, folder), { recursive: true });
  const script = join(here, 'missing-symbol.map');
  const stub = join(out, 'objects', 'libSpinnaker.so.4');
  await Promise.all([
    run([...shared, '-o', library]),
    run([...shared, `-Wl,--version-script,${script}`, '-o', join(out, 'missing-symbol', 'libSpinnaker_C.so.4')]),
    run([...flags, '-shared', '-x', 'c', '/dev/null', '-Wl,-soname,libSpinnaker.so.4', '-o', stub]),
  ]);
  await run([...shared, '-Wl,--no-as-needed', stub, '-o', join(out, 'missing-dependency', 'libSpinnaker_C.so.4')]);
  link(`libSpinnaker_C.so.${version}`, join(out, 'libSpinnaker_C.so.4'));
  link('libSpinnaker_C.so.4', join(out, 'libSpinnaker_C.so'));
  link(`../libSpinnaker_C.so.${version}`, join(out, 'v3', 'libSpinnaker_C.so.3'));
  // e_machine of the ELF header (offset 18): IA-64, which nobody has.
  const foreign = join(out, 'wrong-machine', 'libSpinnaker_C.so.4');
  copyFileSync(library, foreign);
  const file = openSync(foreign, 'r+');
  writeSync(file, Uint8Array.of(50, 0), 0, 2, 18);
  closeSync(file);
  rmSync(objects, { recursive: true });
}

const since = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0);
const sourceTime = Math.max(newest('lib'), since(fileURLToPath(import.meta.url)), since(join(here, 'missing-symbol.map')));
try {
  if (!wanted.has('--if-needed') || since(library) < sourceTime) await build();
  if (wanted.has('--selftest') && (!wanted.has('--if-needed') || since(selftest) < Math.max(sourceTime, newest('selftest')))) {
    await run([...flags, ...sources('selftest'), library, '-Wl,-rpath,$ORIGIN', '-pthread', '-lm', '-o', selftest]);
  }
} catch (error) {
  console.error(`the fake camera library was not built: ${error.message}`);
  process.exitCode = 1;
}
