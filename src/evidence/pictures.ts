/**
 * The picture of a part and its heatmap, written after the verdict has left. Never on the verdict's path: a bounded queue, the
 * encoding in libvips' threads, and when it cannot keep up pictures are left out (counted), never verdicts.
 */
import { createHash } from 'node:crypto';
import { open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Diagnostics } from '../diagnostics';
import { reason, VerdictdError } from '../errors';
import { makeFolder } from '../folder';
import type { Thumbnail } from '../native';
import type { Clock, Findings, ImageRecord, Ms, Verdict } from '../ports';
import { wordOf } from '../verdict_word';
import { overlay } from './heatmap';

export interface PicturesOptions {
  dir: string; // <data>/images
  keep: 'all' | 'notOk' | 'none'; // which parts get a picture; notOk: every verdict but PASS
  heatmaps: boolean;
  quality: number; // JPEG, 1..100
}

interface Job {
  verdict: Verdict;
  thumbnail: Thumbnail; // a copy of its own
  map: Findings['map'];
}

const unfinished = '.part';
/** More than this waiting means the disk or the processor does not follow. About 1.7 MB each. */
const maxWaiting = 16;

export class Pictures {
  private readonly waiting: Job[] = [];
  private busy: Promise<void> | null = null;
  private stopping = false;
  readonly counts = { written: 0, leftOut: 0, failed: 0 };

  constructor(
    private readonly options: PicturesOptions,
    private readonly record: (image: ImageRecord) => Promise<void>,
    private readonly clock: Clock,
    private readonly diagnostics: Diagnostics,
  ) {}

  /** Makes the folder, and clears it of what a killed process left half written. Throws DATA_DIR_UNUSABLE. */
  async start(): Promise<void> {
    const { dir } = this.options;
    try {
      makeFolder(dir);
      for (const name of await readdir(dir)) if (name.endsWith(unfinished)) await rm(join(dir, name), { force: true });
    } catch (thrown) {
      const what = `${dir}: the folder of pictures cannot be made or read (${reason(thrown)})`;
      throw new VerdictdError('DATA_DIR_UNUSABLE', `${what}. Remove what stands in its place, or let this user write there.`, {
        cause: thrown,
      });
    }
  }

  /** True if this verdict's picture is wanted; ask before copying a thumbnail. */
  wants(verdict: Verdict): boolean {
    if (this.stopping || this.options.keep === 'none') return false;
    return this.options.keep === 'all' || wordOf(verdict) !== 'PASS';
  }

  /** Queues a picture; returns at once. */
  add(verdict: Verdict, thumbnail: Thumbnail, map: Findings['map']): void {
    if (this.waiting.length >= maxWaiting) {
      this.counts.leftOut++;
      return;
    }
    this.waiting.push({ verdict, thumbnail, map });
    this.busy ??= this.work();
  }

  /** Writes what waits until `by`, leaves out the rest. */
  async stop(by: Ms): Promise<void> {
    this.stopping = true;
    while (this.busy !== null && this.clock.now() < by) await new Promise((done) => setTimeout(done, 10));
    this.counts.leftOut += this.waiting.length;
    this.waiting.length = 0;
  }

  private async work(): Promise<void> {
    for (let job = this.waiting.shift(); job !== undefined; job = this.waiting.shift()) {
      try {
        await this.write(job);
      } catch (thrown) {
        this.counts.failed++;
        this.diagnostics.error({ resultId: job.verdict.part.resultId, err: reason(thrown) }, 'picture not written');
      }
    }
    this.busy = null;
  }

  private async write({ verdict, thumbnail, map }: Job): Promise<void> {
    const { width, height, data } = thumbnail;
    const id = verdict.part.resultId;
    const raw = { width, height, channels: 3 as const };
    await this.save(verdict, 'picture', `${id}.jpg`, await sharp(data, { raw }).jpeg({ quality: this.options.quality }).toBuffer());
    if (!this.options.heatmaps || map === null || verdict.limit === null) return;
    const heat = overlay(map, verdict.limit);
    const layer = await sharp(heat.data, { raw: { width: heat.width, height: heat.height, channels: 4 } })
      .resize(width, height, { fit: 'fill', kernel: 'cubic' })
      .png({ compressionLevel: 0 })
      .toBuffer();
    const picture = sharp(data, { raw }).composite([{ input: layer }]);
    await this.save(verdict, 'heatmap', `${id}-map.jpg`, await picture.jpeg({ quality: this.options.quality }).toBuffer());
  }

  /** File first (temporary name, synced, renamed), then its row: a row never names a picture that was not written. */
  private async save(verdict: Verdict, kind: ImageRecord['kind'], name: string, bytes: Buffer): Promise<void> {
    const path = join(this.options.dir, name);
    try {
      const file = await open(path + unfinished, 'w', 0o640);
      try {
        await file.writeFile(bytes);
        await file.datasync();
      } finally {
        await file.close();
      }
      await rename(path + unfinished, path);
    } catch (thrown) {
      await rm(path + unfinished, { force: true }).catch(() => undefined); // a full disk must not fill up with halves
      throw thrown;
    }
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await this.record({ resultId: verdict.part.resultId, name, kind, sha256, bytes: bytes.length });
    this.counts.written++;
  }
}
