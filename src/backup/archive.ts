/**
 * What a backup is: one tar file (POSIX pax, not compressed, so that any tar reads it) whose first entry is a manifest with the size and
 * SHA-256 of every other.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { z } from 'zod';

export const manifestName = 'verdictd-backup.json';
export const logName = 'log.db';
export const configName = 'config.yaml';
export const bundleName = 'bundle/manifest.json';

/** Longest manifest that is read; 20 000 files take about 3 MB. */
export const manifestLimit = 16 * 1024 * 1024; // bytes

const segment = '[A-Za-z0-9_][A-Za-z0-9_.-]*';
const recipeFile = new RegExp(`^recipes(/${segment})+$`);

/** Names that a backup may hold: nothing that could lead out of the folder it is unpacked in. */
export function isBackedUp(path: string): boolean {
  return path === logName || path === configName || path === bundleName || (path.length <= 512 && recipeFile.test(path));
}

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const manifestSchema = z.strictObject({
  format: z.literal(1),
  version: z.string().max(64), // of verdictd
  station: z.string().max(64),
  created: z.iso.datetime(),
  clockTrusted: z.union([z.literal(0), z.literal(1)]),
  /** Where the log ends. */
  log: z.strictObject({ bootNumber: count, journalSeq: count, hash: sha256, lastSeq: count }),
  files: z
    .array(z.strictObject({ path: z.string().refine(isBackedUp), bytes: count, sha256 }))
    .max(100_000)
    .refine((files) => new Set(files.map(({ path }) => path)).size === files.length, 'a file is named twice')
    .refine((files) => files.some(({ path }) => path === logName), `${logName} is missing`),
});
export type Manifest = z.infer<typeof manifestSchema>;

export async function fileSha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
