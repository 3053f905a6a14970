/** A bundle from a folder: nothing in it is trusted before every byte has been compared with the manifest. */
import { open, readdir, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { reason, VerdictdError } from '../errors';
import { alteration, hashFile, plainFile, sha256 as sha256Of, unreadable } from '../hash';
import { checkModel, type Port } from '../onnx/check';
import { packageRoot } from '../package';
import { type Bundle, type Manifest, manifestSchema } from './manifest';

export const manifestName = 'manifest.json';
export const modelName = 'model.onnx';
const longestManifest = 1 << 20;

/** The bundle that comes with verdictd: a bootstrap model, no AD-CLIP. */
export function defaultBundleDir(): string {
  return join(packageRoot, 'models', 'texture');
}

function refused(dir: string, what: string, details: readonly string[] = []): VerdictdError {
  return new VerdictdError('BUNDLE_REFUSED', `the bundle ${dir} is refused: ${what}. Install it again from where it came`, { details });
}

/**
 * Reads, hashes and walks a bundle; null is the default one. Throws BUNDLE_MISSING (no folder, no manifest) or BUNDLE_REFUSED: a manifest that breaks the
 * format, a file missing, too many, altered, or a link; a model that is not self-contained or not what the manifest says.
 */
export async function loadBundle(folder: string | null): Promise<Bundle> {
  const named = resolve(folder ?? defaultBundleDir());
  const listed = await list(named);
  const dir = await realpath(named); // a link may be pointed elsewhere while this bundle is in use
  const { manifest, sha256 } = await readManifest(dir);
  const known = new Set([manifestName, ...Object.keys(manifest.files)]);
  const extra = listed.filter((name) => !known.has(name));
  if (extra.length > 0) throw refused(dir, `it holds ${extra.slice(0, 5).join(', ')}, which its manifest does not name`);
  for (const name of [modelName, manifest.golden.image]) {
    if (!Object.hasOwn(manifest.files, name)) throw refused(dir, `its manifest names no file ${name}`);
  }
  for (const [name, wanted] of Object.entries(manifest.files)) await checkFile(dir, name, wanted);
  const modelPath = join(dir, modelName);
  checkModel(modelPath, portsOf(manifest));
  return { dir, manifest, modelPath, goldenPath: join(dir, manifest.golden.image), sha256 };
}

/** Inputs and outputs that a manifest promises. */
export function portsOf({ input, outputs, taps }: Manifest): { inputs: Port[]; outputs: Port[] } {
  const port = (name: string, shape: readonly number[]): Port => ({ name, type: 'float32', shape });
  return {
    inputs: [port(input.name, [1, 3, input.height, input.width])],
    outputs: [
      port(outputs.score, [1]),
      port(outputs.map, [1, -1, -1]),
      ...(outputs.logit === undefined ? [] : [port(outputs.logit, [1])]),
      ...(outputs.probabilities === null ? [] : [port(outputs.probabilities, [1, 2])]),
      ...taps.map(({ name, rows, columns, dim }) => port(name, [1, rows * columns, dim])),
    ],
  };
}

async function list(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (thrown) {
    const what = (thrown as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such folder' : `it cannot be read (${reason(thrown)})`;
    throw new VerdictdError('BUNDLE_MISSING', `no bundle at ${dir}: ${what}. Name a folder with ${manifestName} and ${modelName}`, {
      cause: thrown,
    });
  }
}

async function readManifest(dir: string): Promise<{ manifest: Manifest; sha256: string }> {
  let bytes: Buffer;
  try {
    bytes = await readBounded(join(dir, manifestName), longestManifest);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw refused(dir, `${manifestName} cannot be read (${reason(thrown)})`);
    throw new VerdictdError(
      'BUNDLE_MISSING',
      `no bundle at ${dir}: it has no ${manifestName}. Name a folder with ${manifestName} and ${modelName}`,
    );
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytes.toString('utf8'), plainKey);
  } catch (thrown) {
    throw refused(dir, `${manifestName} is not JSON (${reason(thrown)})`);
  }
  const checked = manifestSchema.safeParse(parsed);
  if (!checked.success) {
    const details = checked.error.issues.map((issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`);
    throw refused(dir, `${manifestName} breaks the format (${details[0] ?? 'unknown'})`, details);
  }
  return { manifest: checked.data, sha256: sha256Of(bytes) };
}

/** The format's checks pass over a key of this name; nothing in a manifest has it. */
function plainKey(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new Error('it has a key __proto__');
  return value;
}

/** A regular file, never a link, of at most `limit` bytes. */
async function readBounded(path: string, limit: number): Promise<Buffer> {
  const file = await open(path, plainFile);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new Error('it is not a regular file');
    if (stats.size > limit) throw new Error(`it is ${stats.size} bytes long; expected at most ${limit}`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

async function checkFile(dir: string, name: string, wanted: { sha256: string; bytes: number }): Promise<void> {
  const wrong = await hashFile(join(dir, name)).then((got) => alteration(got, wanted), unreadable);
  if (wrong !== null) throw refused(dir, `${name} ${wrong}`);
}
