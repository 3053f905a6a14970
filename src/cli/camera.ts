/** `verdictd camera` and `verdictd snap`: the camera by hand, over Aravis with camera.kind aravis, else over Spinnaker. A running station is asked for it: a second look would stop its stream. */
import { writeFile } from 'node:fs/promises';
import { Argument, type Command } from 'commander';
import sharp from 'sharp';
import { createGenicam } from '../camera/create';
import { rangeOf } from '../camera/features';
import type { GenicamCamera } from '../camera/genicam';
import { type Listed, type NamedFeature, readFeatures, type UserSet, userSets } from '../camera/hand';
import { VerdictdError } from '../errors';
import { preprocess, type Snapshot } from '../native';
import type { Context } from './context';
import { integer } from './options';
import { askStation, stationRuns } from './running';

function cameraOf(context: Context): GenicamCamera {
  return createGenicam(context.config(), (text) => context.io.err(text));
}

async function list(context: Context): Promise<void> {
  const { io } = context;
  const listed = stationRuns(context)
    ? ((await askStation(context, 'camera.list', {})).value as Listed)
    : await cameraOf(context).borrow(async (camera) => {
        const { devices: cameras, ...library } = await camera.list();
        return { ...library, cameras };
      });
  const { library, version, cameras } = listed;
  if (io.json) io.outJson(listed);
  else {
    io.err(version === '' ? library : `${library}, version ${version}`);
    for (const { serial, model, vendor, speed, access, location } of cameras)
      io.out([serial, vendor, model, speed, access, location].filter((text) => text !== '').join('  '));
    if (cameras.length === 0) io.err('no camera is there; `verdictd doctor` checks cable, rights and USB');
  }
}

async function features(context: Context, names: readonly string[]): Promise<void> {
  const { io, signal } = context;
  const found = stationRuns(context)
    ? ((await askStation(context, 'camera.features', { names })).value as NamedFeature[])
    : await cameraOf(context).borrow(async (camera) => {
        await camera.open();
        return await readFeatures(camera, names, signal);
      });
  for (const feature of found) {
    const { name, value, writable } = feature;
    if (io.json) io.outJson(feature);
    else io.out(`${name.padEnd(34)} ${String(value).padEnd(18)} ${writable ? 'rw' : 'r '}  ${rangeOf(feature)}`);
  }
}

async function save(context: Context, set: UserSet): Promise<void> {
  const { io, signal } = context;
  if (stationRuns(context)) await askStation(context, 'camera.userset.save', { set });
  else await cameraOf(context).saveUserSet({ camera: {} }, set, signal);
  if (io.json) io.outJson({ set });
  else io.out(`the settings in force are saved in the camera as ${set}`);
}

async function take(context: Context, timeout: number): Promise<Snapshot> {
  if (!stationRuns(context)) return await cameraOf(context).snap({ camera: {} }, timeout, context.signal);
  const { value, bytes } = await askStation(context, 'camera.snap', { timeout });
  return { ...(value as Omit<Snapshot, 'data'>), data: bytes };
}

/** Largest side that is rendered as a picture; larger frames are saved raw. */
const maxSide = 4096;

async function png(shot: Snapshot, file: string): Promise<void> {
  if (Math.max(shot.width, shot.height) > maxSide) {
    throw new VerdictdError(
      'USAGE',
      `A frame of ${shot.width}x${shot.height} is not rendered; at most ${maxSide} a side. Save it with --raw.`,
    );
  }
  const { width, height } = shot;
  const input = { width, height, resize: 'bicubic', fit: 'squash', mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } as const;
  const { resized } = await preprocess(shot, { ...input, mean: [...input.mean], std: [...input.std] }, { resized: true });
  if (resized === undefined) throw new VerdictdError('INTERNAL', 'the frame was not rendered');
  await sharp(resized, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(file);
}

interface SnapOptions {
  out: string;
  raw?: boolean;
  timeout: number;
}

async function snap(context: Context, options: SnapOptions): Promise<void> {
  const { io } = context;
  const shot = await take(context, options.timeout);
  const { width, height, pixelFormat, frameId, chunk } = shot;
  const file = options.raw === true ? `${options.out}_${width}x${height}_${pixelFormat}.raw` : `${options.out}.png`;
  if (options.raw === true) await writeFile(file, shot.data);
  else await png(shot, file);
  const facts = { file, width, height, pixelFormat, frameId, chunk };
  await writeFile(`${options.out}.json`, `${JSON.stringify(facts, null, 2)}\n`);
  if (io.json) io.outJson(facts);
  else {
    io.out(file);
    const { ExposureTime, Gain, Timestamp } = chunk ?? { ExposureTime: null, Gain: null, Timestamp: null };
    io.err(
      `${width}x${height} ${pixelFormat}, ExposureTime ${ExposureTime ?? '?'} us, Gain ${Gain ?? '?'} dB, Timestamp ${Timestamp ?? '?'} ns`,
    );
  }
}

export function registerSnap(program: Command, context: Context): void {
  program
    .command('snap')
    .description(
      'Take one picture with the camera as camera.spinnaker (or camera.aravis) sets it up; the facts of the frame stand in a .json beside it.',
    )
    .option('--out <name>', 'path and name of the picture, without its ending', 'snap')
    .option('--raw', 'the bytes of the sensor, for `verdictd inspect` and camera.files; without it a PNG')
    .option('--timeout <ms>', 'longest wait for a frame', integer(10, 600000), 5000)
    .action(async (options: SnapOptions) => snap(context, options));
}

export function register(program: Command, context: Context): void {
  const camera = program.command('camera').description('Look at cameras: FLIR over Spinnaker, or any over Aravis with camera.kind aravis.');
  camera
    .command('list')
    .description('List the cameras there are, with library and link.')
    .action(async () => list(context));
  camera
    .command('features')
    .description('Show features of the camera: value, whether it can be written now, range.')
    .argument('[name...]', 'features by their SFNC name; all that can be read without it')
    .action(async (names: string[]) => features(context, names));
  camera
    .command('save')
    .description('Save the settings in force in the camera itself. Nothing else ever does.')
    .addArgument(new Argument('<set>', 'user set that is written over').choices(userSets))
    .action(async (set: UserSet) => save(context, set));
}
