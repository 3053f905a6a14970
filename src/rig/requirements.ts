/** What a build of onnxruntime's Node binding needs: looked for all at once, so that one run names everything that is missing. */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { reason } from '../errors';
import { libraryFacts } from '../inspect/elf';
import { libraryFile } from '../inspect/ort_dir';

export const executionProviders = ['tensorrt', 'cuda', 'cpu'] as const;
export type Provider = (typeof executionProviders)[number];

export interface Wanted {
  /** Version that npm installed: everything else must be of the same. */
  version: string;
  packageRoot: string;
  /** onnxruntime's source tree at the tag of that version. */
  source: string | null;
  /** Folder with the libraries built for this machine. */
  libs: string | null;
  nodeHeaders: string | null; // folder with node_api.h; null: the usual places
  provider: Provider; // the one the rig shall use
  searched?: string; // PATH
  arch?: string; // as process.arch
}

export interface Found {
  version: string;
  source: string;
  headers: string;
  addonApi: string;
  /** Path -> name it is placed under. */
  libraries: { path: string; name: string }[];
  provider: Provider;
}

const providerLibraries: Readonly<Record<Provider, readonly string[]>> = {
  tensorrt: ['shared', 'cuda', 'tensorrt'],
  cuda: ['shared', 'cuda'],
  cpu: [],
};
/** Files of the source tree that the binding is compiled from. */
const sourceFiles = ['js/node/CMakeLists.txt', 'js/node/src', 'include/onnxruntime/core/session/onnxruntime_cxx_api.h', 'onnxruntime'];

export function onPath(name: string, searched: string = process.env.PATH ?? ''): string | null {
  for (const dir of searched.split(delimiter)) {
    if (dir === '') continue;
    try {
      accessSync(join(dir, name), constants.X_OK);
      return join(dir, name);
    } catch {
      // the next
    }
  }
  return null;
}

/** Everything needed, or a sentence for each thing that is missing or does not fit. */
export function lookFor(wanted: Wanted): Found | { problems: string[] } {
  const problems: string[] = [];
  const searched = wanted.searched ?? process.env.PATH ?? '';
  if (onPath('cmake', searched) === null) problems.push('cmake is not on the PATH: apt-get install cmake (3.11 or newer)');
  if (!['g++', 'c++'].some((name) => onPath(name, searched) !== null)) problems.push('g++ is not on the PATH: apt-get install g++');
  if (!['make', 'ninja'].some((name) => onPath(name, searched) !== null)) problems.push('make is not on the PATH: apt-get install make');
  problems.push(...lockProblems(wanted), ...sourceProblems(wanted));
  const headers = nodeHeaders(wanted.nodeHeaders);
  if (headers === null) {
    const places = wanted.nodeHeaders ?? usualHeaders().join(' or ');
    problems.push(`Node's headers (node_api.h) are not in ${places}: give their folder with --node-headers`);
  }
  const addonApi = join(wanted.packageRoot, 'node_modules/node-addon-api');
  if (!existsSync(join(addonApi, 'napi.h'))) problems.push(`${addonApi}/napi.h is missing: run npm ci`);
  const libraries = librariesIn(wanted, problems);
  if (problems.length > 0 || wanted.source === null || headers === null) return { problems };
  return { version: wanted.version, source: wanted.source, headers, addonApi, libraries, provider: wanted.provider };
}

/** The lockfile and what is installed must agree, or the next `npm ci` would bring a version that the binding does not fit. */
function lockProblems({ packageRoot, version }: Wanted): string[] {
  const file = join(packageRoot, 'package-lock.json');
  if (!existsSync(file)) return []; // installed as a package: there is none
  const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages?: Record<string, { version?: string } | undefined> };
  const locked = lock.packages?.['node_modules/onnxruntime-node']?.version;
  return locked === version ? [] : [`package-lock.json has onnxruntime-node ${locked ?? '(none)'}, installed is ${version}: run npm ci`];
}

function sourceProblems({ source, version }: Wanted): string[] {
  const clone = `git clone --depth 1 -b v${version} https://github.com/microsoft/onnxruntime`;
  if (source === null) return [`onnxruntime's source is not given: ${clone}, then --source onnxruntime`];
  if (!existsSync(source)) return [`${source} is missing: ${clone}`];
  const missing = sourceFiles.filter((name) => !existsSync(join(source, name)));
  if (missing.length > 0) return [`${source} is not onnxruntime's source (no ${missing.join(', no ')}): ${clone}`];
  let found: string;
  try {
    found = readFileSync(join(source, 'VERSION_NUMBER'), 'utf8').trim();
  } catch (thrown) {
    return [`${source}/VERSION_NUMBER cannot be read (${reason(thrown)})`];
  }
  return found === version ? [] : [`${source} is onnxruntime ${found}; onnxruntime-node is ${version}: ${clone}`];
}

function usualHeaders(): string[] {
  const cached = join(homedir(), '.cache/node-gyp', process.versions.node, 'include/node');
  return [join(dirname(dirname(process.execPath)), 'include/node'), cached];
}

function nodeHeaders(given: string | null): string | null {
  const dirs = given === null ? usualHeaders() : [given, join(given, 'include/node')];
  return dirs.find((dir) => existsSync(join(dir, 'node_api.h'))) ?? null;
}

function librariesIn({ libs, version, provider, arch = process.arch }: Wanted, problems: string[]): Found['libraries'] {
  if (libs === null) {
    problems.push('the libraries for this machine are not given: --libs DIR, see docs/rig.md for where they come from');
    return [];
  }
  const main = [libraryFile, `libonnxruntime.so.${version}`, 'libonnxruntime.so'].map((name) => join(libs, name)).find(existsSync);
  if (main === undefined) problems.push(`${libs} has no ${libraryFile} and no libonnxruntime.so`);
  const found = main === undefined ? [] : [{ path: main, name: libraryFile }];
  for (const kind of providerLibraries[provider]) {
    const name = `libonnxruntime_providers_${kind}.so`;
    if (existsSync(join(libs, name))) found.push({ path: join(libs, name), name });
    else problems.push(`${libs} has no ${name}: onnxruntime was built without it`);
  }
  for (const { path, name } of found) {
    try {
      const facts = libraryFacts(path);
      if (facts.arch !== arch) problems.push(`${path} is for ${facts.arch}; this machine is ${arch}`);
      else if (name === libraryFile && facts.onnxruntime !== version) {
        const has =
          facts.onnxruntime === null
            ? 'has no version in its symbols'
            : `is onnxruntime ${facts.onnxruntime} (symbol VERS_${facts.onnxruntime})`;
        problems.push(`${path} ${has}; onnxruntime-node is ${version}, and only the identical version loads`);
      }
    } catch (thrown) {
      problems.push(reason(thrown));
    }
  }
  return found;
}
