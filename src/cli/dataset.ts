/** `verdictd dataset export`: logged pictures that people have labelled, as the trainers want them. Reads only, beside a running station. */
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import sharp from 'sharp';
import { decodeImage } from '../camera/images';
import { systemClock } from '../clock';
import { exportDataset } from '../evaluate/export';
import { labelledPictures } from '../evaluate/export_log';
import { type Look, lookSide } from '../evaluate/frames';
import { preprocess } from '../native';
import type { InputSpec } from '../ports';
import { fileName, imagesName } from '../store/open';
import type { Context } from './context';
import { since } from './log_filter';
import { slug } from './options';

interface Options {
  out: string;
  text: string;
  recipe?: string;
  since?: string;
}

/** A word that can stand in a folder's name everywhere. */
function folderWord(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9.-]{0,39}$/.test(text))
    throw new InvalidArgumentError('Expected 1 to 40 of A-Z, a-z, 0-9, point and hyphen.');
  return text;
}

const gridSpec: InputSpec = { width: 256, height: 256, resize: 'bicubic', fit: 'squash', mean: [0, 0, 0], std: [1, 1, 1] };

/** Figures of a picture at one size, so that they can be compared over recipes and bundles. */
async function look(bytes: Buffer, name: string): Promise<Look> {
  const picture = await decodeImage(bytes, name);
  const { quality } = await preprocess(picture, gridSpec);
  const { width, height } = picture;
  const channels = picture.pixelFormat === 'Mono8' ? 1 : 3;
  const small = sharp(picture.data, { raw: { width, height, channels } })
    .greyscale()
    .resize(lookSide, lookSide, { fit: 'fill', kernel: 'cubic' });
  return { grey: await small.raw().toBuffer(), sharpness: quality.sharpness };
}

async function run(context: Context, options: Options): Promise<void> {
  const { io, signal } = context;
  const dataDir = context.dataDir();
  const rows = labelledPictures(join(dataDir, fileName), { recipe: options.recipe ?? null, since: options.since ?? null });
  const progress = io.progress('pictures', rows.length);
  try {
    const found = await exportDataset(
      rows,
      { images: join(dataDir, imagesName), out: options.out, text: options.text, utc: systemClock.wall().utc },
      { look, progress: () => progress.step(), signal },
    );
    progress.done();
    if (io.json) return io.outJson(found);
    for (const { resultId, reason } of found.leftOut) io.err(`left out: ${resultId}: ${reason}`);
    io.out(`${found.folder}: ${found.normal} normal, ${found.abnormal} abnormal, ${found.leftOut.length} left out`);
  } finally {
    progress.done();
  }
}

export function register(program: Command, context: Context): void {
  const dataset = program.command('dataset').description('Sets of labelled pictures.');
  dataset
    .command('export')
    .description(
      'Write the logged pictures that people have labelled into a folder DATE_V_TEXT: normal_DATE_N.jpg, abnormal_DATE_N.jpg, labels.csv, hash lists; blurred and duplicate frames are left out, with the reason.',
    )
    .requiredOption('--out <dir>', 'where the folder is made')
    .requiredOption('--text <word>', "last word of the folder's name", folderWord)
    .option('--recipe <id>', 'only parts of this recipe', slug)
    .option('--since <time>', 'only parts from this time on (2026-11-30T06:00), or of this age (30m, 8h, 7d)', since)
    .action((options: Options) => run(context, options));
}
