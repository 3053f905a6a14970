/** A bundle in the making: a folder beside the target, seen under its name only when it is whole. */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { manifestName, modelName } from '../bundle/load';
import { type Manifest, manifestSchema } from '../bundle/manifest';
import { reason, VerdictdError } from '../errors';
import { makeFolder } from '../folder';
import { hashFile } from '../hash';

/**
 * A file that a bundle is made from. A link is followed, as it was when the file was read: HuggingFace's cache is made of links. Throws as
 * the file system does.
 */
export async function sourceOf(path: string): Promise<Manifest['sources'][number]> {
  return { name: basename(path).replace(/\p{Cc}/gu, '?'), sha256: (await hashFile(await realpath(path))).sha256 };
}

/** Files that no bundle put there: replacing removes the whole folder, and other programs have a manifest.json too. */
function strangers(dir: string, listed: readonly string[]): string[] {
  let files: unknown = null;
  try {
    files = (JSON.parse(readFileSync(join(dir, manifestName), 'utf8')) as { files?: unknown } | null)?.files;
  } catch {
    // none, or no JSON: then all files here are somebody's
  }
  const known = typeof files === 'object' && files !== null && modelName in files ? [manifestName, ...Object.keys(files)] : [];
  return listed.filter((name) => !known.includes(name));
}

/** Owner of the staging folder; `commit` or `discard` is its end. */
export class Staging {
  private constructor(
    readonly target: string, // absolute
    readonly dir: string,
  ) {}

  /** Throws USAGE where the target is something else than a bundle or nothing, or cannot be made. */
  static begin(out: string): Staging {
    const target = resolve(out);
    const unusable = (what: string): never => {
      throw new VerdictdError('USAGE', `--out ${target} ${what}. Name a new folder, or a bundle to be replaced.`);
    };
    let listed: string[] = [];
    try {
      listed = existsSync(target) ? readdirSync(target) : [];
    } catch (thrown) {
      unusable(`cannot be read (${reason(thrown)})`);
    }
    const foreign = listed.length === 0 ? [] : strangers(target, listed);
    if (foreign.length > 0) unusable(`holds files that are no bundle (${foreign.slice(0, 5).join(', ')})`);
    const dir = join(dirname(target), `.${basename(target)}-${randomBytes(6).toString('hex')}`);
    try {
      makeFolder(dir);
    } catch (thrown) {
      unusable(`cannot be made (${reason(thrown)})`);
    }
    return new Staging(target, dir);
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  write(name: string, bytes: Uint8Array): void {
    writeFileSync(this.path(name), bytes);
  }

  rename(from: string, to: string): void {
    renameSync(this.path(from), this.path(to));
  }

  drop(name: string): void {
    rmSync(this.path(name), { force: true });
  }

  /** Hashes the files and writes the manifest over them. */
  async seal(manifest: Omit<Manifest, 'files'>, names: readonly string[]): Promise<Manifest> {
    const files: Manifest['files'] = {};
    for (const name of names) files[name] = await hashFile(this.path(name));
    const { format, name, version, method, kind, bootstrap, ...rest } = manifest;
    const whole = manifestSchema.safeParse({ format, name, version, method, kind, bootstrap, files, ...rest });
    if (!whole.success) {
      const [issue] = whole.error.issues;
      throw new VerdictdError('USAGE', `the bundle cannot have this ${issue?.path.join(' ')}: ${issue?.message}. Name it otherwise.`);
    }
    this.write(manifestName, Buffer.from(`${JSON.stringify(whole.data, null, 2)}\n`));
    return whole.data;
  }

  /** Puts the folder in place; a bundle that was there is gone only when the new one has its name. */
  commit(): void {
    const old = existsSync(this.target) ? `${this.dir}-old` : null;
    if (old !== null) renameSync(this.target, old);
    try {
      renameSync(this.dir, this.target);
    } catch (thrown) {
      if (old !== null) renameSync(old, this.target);
      throw thrown;
    }
    if (old !== null) rmSync(old, { recursive: true, force: true });
  }

  discard(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
