/**
 * What the trainers re-train from: a folder DATE_V_TEXT with the logged pictures that a person has labelled, as they were logged, byte
 * for byte. normal_DATE_N.jpg and abnormal_DATE_N.jpg, labels.csv, hash lists, and what was left out with the reason. The folder appears
 * whole, by one rename, or not at all.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Code } from '../codes';
import { reason, VerdictdError } from '../errors';
import { csvLine } from './csv';
import type { Labelled } from './export_log';
import { blurOf, type Look, repeats } from './frames';
import { labelOfWord } from './naming';

export interface ExportOptions {
  images: string; // the station's folder of pictures
  out: string; // where the new folder is made
  text: string; // its last word
  utc: string; // now
}

export interface ExportDeps {
  /** Throws IMAGE_UNREADABLE. */
  look(bytes: Buffer, name: string): Promise<Look>;
  progress(): void;
  signal: AbortSignal;
}

export interface Exported {
  folder: string;
  normal: number;
  abnormal: number;
  leftOut: { resultId: string; reason: string }[];
}

interface Candidate {
  row: Labelled;
  label: 'normal' | 'abnormal';
  bytes: Buffer;
  look: Look;
}

/** Verdicts that say themselves that the picture is none to learn from. */
const spoilt: Partial<Record<Code, string>> = {
  [Code.brightness]: 'the quality gate refused its brightness',
  [Code.blur]: 'the quality gate found it blurred',
};

/** Throws DATASET_REFUSED where no picture is left, DATA_DIR_UNUSABLE where the folder cannot be written. */
export async function exportDataset(rows: readonly Labelled[], options: ExportOptions, deps: ExportDeps): Promise<Exported> {
  const leftOut: Exported['leftOut'] = [];
  const candidates: Candidate[] = [];
  for (const row of rows) {
    deps.signal.throwIfAborted();
    const taken = await take(row, options.images, deps);
    deps.progress();
    if (typeof taken === 'string') leftOut.push({ resultId: row.result_id, reason: taken });
    else candidates.push(taken);
  }
  const kept = worthwhile(candidates, leftOut);
  if (kept.length === 0) {
    const first =
      leftOut[0] === undefined ? 'no logged picture has a label' : `${leftOut.length} were left out, the first: ${leftOut[0].reason}`;
    throw new VerdictdError(
      'DATASET_REFUSED',
      `there is no picture to export: ${first}. Label parts with \`verdictd log label\`, and keep pictures (evidence.keep)`,
      { details: leftOut.map(({ resultId, reason: why }) => `${resultId}: ${why}`) },
    );
  }
  const folder = await write(kept, leftOut, options);
  const normal = kept.filter(({ label }) => label === 'normal').length;
  return { folder, normal, abnormal: kept.length - normal, leftOut };
}

/** The picture as it was logged, or why it cannot be used. */
async function take(row: Labelled, images: string, deps: ExportDeps): Promise<Candidate | string> {
  const label = labelOfWord(row.label);
  if (label === null) return `the label "${row.label}" says neither good nor bad`;
  const refused = spoilt[row.code as Code];
  if (refused !== undefined) return `${refused} (${row.code})`;
  if (basename(row.name) !== row.name) return `its picture is named ${row.name}, outside of the folder of pictures`;
  let bytes: Buffer;
  try {
    bytes = await readFile(join(images, row.name));
  } catch (thrown) {
    const gone = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
    return gone ? `its picture ${row.name} is no longer on the disk` : `its picture cannot be read (${reason(thrown)})`;
  }
  if (createHash('sha256').update(bytes).digest('hex') !== row.sha256)
    return `its picture ${row.name} is not the one that was logged (SHA-256)`;
  try {
    return { row, label, bytes, look: await deps.look(bytes, row.name) };
  } catch (thrown) {
    if (thrown instanceof VerdictdError && thrown.code === 'IMAGE_UNREADABLE') return thrown.message;
    throw thrown;
  }
}

/** Neither blurred frames nor any frame twice; one that is both normal and abnormal teaches nothing. */
function worthwhile(candidates: readonly Candidate[], leftOut: Exported['leftOut']): Candidate[] {
  const sharp = candidates.filter(({ row, look }) => {
    const fellows = candidates.filter((other) => other.row.recipe === row.recipe).map((other) => other.look);
    const blur = blurOf(look, fellows);
    if (blur !== null) leftOut.push({ resultId: row.result_id, reason: blur });
    return blur === null;
  });
  const twins = repeats(sharp.map(({ look }) => look));
  const contradicted = new Set<Candidate>();
  twins.forEach((before, i) => {
    const [one, other] = [before === null ? undefined : sharp[before], sharp[i]];
    if (one !== undefined && other !== undefined && one.label !== other.label) contradicted.add(one).add(other);
  });
  return sharp.filter((candidate, i) => {
    const before = twins[i] ?? null;
    const twin = before === null ? undefined : sharp[before];
    if (contradicted.has(candidate))
      leftOut.push({ resultId: candidate.row.result_id, reason: 'the same frame is labelled normal and abnormal' });
    else if (twin !== undefined) leftOut.push({ resultId: candidate.row.result_id, reason: `the same frame as ${twin.row.result_id}` });
    else return true;
    return false;
  });
}

const day = (utc: string): string => utc.slice(0, 10).replaceAll('-', '');

/** DATE_V1_TEXT, or the next version that is free. */
async function freeName(out: string, date: string, text: string): Promise<string> {
  const there = new Set(await readdir(out));
  for (let version = 1; ; version++) {
    const name = `${date}_V${version}_${text}`;
    if (!there.has(name)) return name;
  }
}

async function write(kept: readonly Candidate[], leftOut: Exported['leftOut'], { out, text, utc }: ExportOptions): Promise<string> {
  let staging: string | null = null;
  try {
    await mkdir(out, { recursive: true });
    const name = await freeName(out, day(utc), text);
    staging = join(out, `.${name}.part`);
    await rm(staging, { recursive: true, force: true });
    await mkdir(staging);
    const labels = [csvLine(['image_id', 'label', 'description'])];
    const sources = [csvLine(['image_id', 'result_id', 'part_id', 'recipe', 'time', 'verdict', 'score', 'labelled_by', 'sha256'])];
    const sums = { md5: [] as string[], sha256: [] as string[] };
    const numbers = { normal: 0, abnormal: 0 };
    for (const { row, label, bytes } of kept) {
      numbers[label]++;
      const file = `${label}_${day(row.created_utc)}_${String(numbers[label]).padStart(4, '0')}.jpg`;
      await writeFile(join(staging, file), bytes);
      labels.push(csvLine([file, label, row.description]));
      const { result_id, part_id, recipe, created_utc, verdict, score, labelled_by, sha256 } = row;
      sources.push(csvLine([file, result_id, part_id, recipe, created_utc, verdict, score ?? '', labelled_by, sha256]));
      sums.sha256.push(`${sha256}  ${file}`);
      sums.md5.push(`${createHash('md5').update(bytes).digest('hex')}  ${file}`);
    }
    const left = [csvLine(['result_id', 'reason']), ...leftOut.map((one) => csvLine([one.resultId, one.reason]))];
    const texts: Record<string, string[]> = {
      'labels.csv': labels,
      'sources.csv': sources,
      'left_out.csv': left,
      SHA256SUMS: sums.sha256,
      MD5SUMS: sums.md5,
    };
    for (const [file, lines] of Object.entries(texts)) await writeFile(join(staging, file), `${lines.join('\n')}\n`);
    await rename(staging, join(out, name));
    return join(out, name);
  } catch (thrown) {
    if (staging !== null) await rm(staging, { recursive: true, force: true }).catch(() => undefined);
    throw new VerdictdError(
      'DATA_DIR_UNUSABLE',
      `${out}: the data set cannot be written (${reason(thrown)}). Name another folder with --out`,
      {
        cause: thrown,
      },
    );
  }
}
