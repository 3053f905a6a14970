/**
 * Another build of onnxruntime than npm's: the binding and its libraries in the folder VERDICTD_ORT_DIR names, made on the rig by
 * `npm run rig:onnxruntime`. npm's build for arm64 knows the CPU only. The JavaScript stays npm's, so the versions must be identical:
 * onnxruntime's symbols carry the exact version, and another one does not load.
 */
import { readFileSync, realpathSync } from 'node:fs';
import Module from 'node:module';
import { join } from 'node:path';
import { reason, VerdictdError } from '../errors';
import { libraryFacts } from './elf';
import { distrust } from './trusted';

export const bindingFile = 'onnxruntime_binding.node';
/** As the binding asks for it (its SONAME), whatever it was called where it came from. */
export const libraryFile = 'libonnxruntime.so.1';

/** Version of the onnxruntime-node that npm installed. */
export function installedVersion(): string {
  return (JSON.parse(readFileSync(require.resolve('onnxruntime-node/package.json'), 'utf8')) as { version: string }).version;
}

function refused(dir: string, why: string): VerdictdError {
  const todo = 'Run `npm run rig:onnxruntime` again (docs/rig.md), or unset VERDICTD_ORT_DIR to run on the CPU.';
  return new VerdictdError('PROVIDER_UNAVAILABLE', `VERDICTD_ORT_DIR=${dir} is refused: ${why}. ${todo}`);
}

/** The folder, links resolved. Throws PROVIDER_UNAVAILABLE where it holds no build of `version` for this machine that may be trusted. */
export function checkedOrtDir(dir: string, version: string = installedVersion()): string {
  const why = distrust(dir, 'folder');
  if (why !== null) throw refused(dir, why);
  for (const name of [bindingFile, libraryFile]) {
    const path = join(dir, name);
    const distrusted = distrust(path, 'file');
    if (distrusted !== null) throw refused(dir, distrusted);
    let facts: ReturnType<typeof libraryFacts>;
    try {
      facts = libraryFacts(path);
    } catch (thrown) {
      throw refused(dir, reason(thrown));
    }
    if (facts.arch !== process.arch) throw refused(dir, `${path} is for ${facts.arch}; this is ${process.arch}`);
    if (facts.onnxruntime !== version) {
      throw refused(
        dir,
        `${path} is of onnxruntime ${facts.onnxruntime ?? '(no version in it)'}; npm installed onnxruntime-node ${version}`,
      );
    }
  }
  return realpathSync(dir);
}

interface Resolver {
  _resolveFilename(request: string, ...rest: unknown[]): string;
}

/**
 * From here on, this thread takes onnxruntime's binding from VERDICTD_ORT_DIR, where that is set; call before onnxruntime-node is
 * first required. Returns the folder, null without one. Throws PROVIDER_UNAVAILABLE, never falls back: who sets it wants a GPU.
 * (Module._resolveFilename is private to Node, and unchanged from 20 to 24; onnxruntime-node has no setting for it.)
 */
export function redirectBinding(env: Readonly<Record<string, string | undefined>>): string | null {
  const given = env.VERDICTD_ORT_DIR;
  if (given === undefined || given === '') return null;
  const dir = checkedOrtDir(given);
  const resolver = Module as unknown as Resolver;
  const before = resolver._resolveFilename;
  resolver._resolveFilename = function (request, ...rest) {
    return request.endsWith(`/${bindingFile}`) ? join(dir, bindingFile) : before.call(this, request, ...rest);
  };
  return dir;
}

/** Throws PROVIDER_UNAVAILABLE unless the library that was really mapped is the folder's, and the only one. */
export function provenMapped(dir: string): void {
  const mapped = new Set(readFileSync('/proc/self/maps', 'utf8').match(/\/\S*\/libonnxruntime\.so\S*/g));
  const own = realpathSync(join(dir, libraryFile));
  const others = [...mapped].filter((path) => path !== own);
  if (mapped.has(own) && others.length === 0) return;
  throw refused(dir, `its ${bindingFile} loaded ${others.join(' and ') || 'no library'}; expected ${own} (RUNPATH $ORIGIN)`);
}
