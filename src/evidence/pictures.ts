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
  onePassIn: number; // of so many PASS one gets a picture as well; 0: none
  full: 'all' | 'notOk' | 'none'; // whose picture is the whole frame; a PASS that is one of `onePassIn` counts with notOk
  heatmaps: boolean;
  quality: number; // JPEG, 1..100
}

interface Job {
  verdict: Verdict;
  thumbnail: Thumbnail; // a copy of its own
  whole: Promise<Thumbnail> | null; // the frame at full size, where it is wanted
  map: Findings['map'];
}

const unfinished = '.part';
/** More than this waiting means the disk or the processor does not follow. About 1.7 MB each. */
const maxWaiting = 16;
/** Whole frames under way at a time, 26.5 MB each in colour; another one gets the reduced picture instead. */
const maxWhole = 2;

export class Pictures {
  private readonly waiting: Job[] = [];
  private busy: Promise<void> | null = null;
  private stopping = false;
  private wholes = 0;
  private passes = 0;
  readonly counts = { written: 0, leftOut: 0, failed: 0, reduced: 0 };

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

  /** Which picture of this verdict is wanted; asked once for each, before a picture is copied. */
  choose(verdict: Verdict): 'none' | 'reduced' | 'whole' {
    const { keep, full, onePassIn } = this.options;
    const pass = wordOf(verdict) === 'PASS';
    const sampled = pass && onePassIn > 0 && this.passes++ % onePassIn === 0;
    if (this.stopping || keep === 'none' || (keep === 'notOk' && pass && !sampled)) return 'none';
    if (full === 'none' || (full === 'notOk' && pass && !sampled)) return 'reduced';
    if (this.wholes < maxWhole && this.waiting.length < maxWaiting) return 'whole';
    this.counts.reduced++;
    return 'reduced';
  }

  /** Queues a picture; returns at once. `whole`: the frame at full size, where `choose` said so; if it fails `thumbnail` is written. */
  add(verdict: Verdict, thumbnail: Thumbnail, map: Findings['map'], whole: Promise<Thumbnail> | null = null): void {
    whole?.catch(() => undefined); // it is looked at when its turn comes
    if (this.waiting.length >= maxWaiting) {
      this.counts.leftOut++;
      return;
    }
    if (whole !== null) this.wholes++;
    this.waiting.push({ verdict, thumbnail, map, whole });
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
      } finally {
        if (job.whole !== null) this.wholes--;
      }
    }
    this.busy = null;
  }

  private async write({ verdict, thumbnail, map, whole }: Job): Promise<void> {
    const { width, height, data } = thumbnail;
    const id = verdict.part.resultId;
    const raw = { width, height, channels: 3 as const };
    const picture = (await this.whole(whole, id)) ?? thumbnail;
    await this.save(verdict, 'picture', `${id}.jpg`, await this.encoded(picture));
    if (!this.options.heatmaps || map === null || verdict.limit === null) return;
    const heat = overlay(map, verdict.limit);
    const layer = await sharp(heat.data, { raw: { width: heat.width, height: heat.height, channels: 4 } })
      .resize(width, height, { fit: 'fill', kernel: 'cubic' })
      .png({ compressionLevel: 0 })
      .toBuffer();
    const overlaid = sharp(data, { raw }).composite([{ input: layer }]);
    await this.save(verdict, 'heatmap', `${id}-map.jpg`, await overlaid.jpeg({ quality: this.options.quality }).toBuffer());
  }

  private encoded({ width, height, data }: Thumbnail): Promise<Buffer> {
    return sharp(data, { raw: { width, height, channels: 3 } })
      .jpeg({ quality: this.options.quality })
      .toBuffer();
  }

  private async whole(picture: Promise<Thumbnail> | null, resultId: string): Promise<Thumbnail | null> {
    try {
      return await picture;
    } catch (thrown) {
      this.diagnostics.error({ resultId, err: reason(thrown) }, 'the whole frame could not be rendered; the reduced picture is written');
      return null;
    }
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
