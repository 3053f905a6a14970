/**
 * Compiles onnxruntime's Node binding with the providers that npm's build for arm64 leaves out. The source tree is read only: its CMake
 * file writes beside itself, so a copy of the few files it needs is built in a temporary folder.
 */
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { bindingFile, libraryFile } from '../inspect/ort_dir';
import type { Found } from './requirements';

/** Runs a program to its end; rejects where it fails. */
export type Run = (program: string, args: readonly string[]) => Promise<void>;

/** The two commands, as `--dry-run` shows them. `work` is where the build happens. */
export function buildCommands(found: Found, work: string, jobs: number): [string, string[]][] {
  const gpu = { tensorrt: ['-DUSE_CUDA=ON', '-DUSE_TENSORRT=ON'], cuda: ['-DUSE_CUDA=ON'], cpu: [] }[found.provider];
  const configure = [
    ...['-S', join(work, 'js/node'), '-B', join(work, 'build'), '-DCMAKE_BUILD_TYPE=Release'],
    '-Dnapi_build_version=6',
    `-DNODE_ARCH=${process.arch}`,
    `-DONNXRUNTIME_BUILD_DIR=${join(work, 'lib')}`,
    // What cmake-js would set.
    `-DCMAKE_JS_INC=${resolve(found.headers)};${resolve(found.addonApi)}`,
    ...gpu,
  ];
  return [
    ['cmake', configure],
    ['cmake', ['--build', join(work, 'build'), '--parallel', String(jobs)]],
  ];
}

/** Path of the binding that was built. Throws an Error with a sentence where the build fails, or gives none. */
export async function buildBinding(found: Found, work: string, jobs: number, run: Run): Promise<string> {
  const source = resolve(found.source);
  mkdirSync(join(work, 'js/node'), { recursive: true });
  cpSync(join(source, 'js/node/src'), join(work, 'js/node/src'), { recursive: true });
  copyFileSync(join(source, 'js/node/CMakeLists.txt'), join(work, 'js/node/CMakeLists.txt'));
  copyFileSync(join(source, 'VERSION_NUMBER'), join(work, 'VERSION_NUMBER'));
  for (const name of ['include', 'onnxruntime']) symlinkSync(join(source, name), join(work, name));
  mkdirSync(join(work, 'lib'));
  for (const { path, name } of found.libraries) copyFileSync(path, join(work, 'lib', name));
  symlinkSync(libraryFile, join(work, 'lib/libonnxruntime.so')); // the name it is linked by
  for (const [program, args] of buildCommands(found, work, jobs)) await run(program, args);
  const bin = join(work, 'js/node/bin'); // in it napi-v6, or another number: onnxruntime's own
  const made = existsSync(bin) ? readdirSync(bin).map((name) => join(bin, name, 'linux', process.arch, bindingFile)) : [];
  const binding = made.find((path) => existsSync(path));
  if (binding === undefined) throw new Error(`the build ended without a fault, but made no ${bindingFile} in ${bin}`);
  return binding;
}
