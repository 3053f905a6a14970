/** `verdictd camera` and `verdictd snap`: the FLIR camera by hand. Refused while a station runs. */
import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import sharp from 'sharp';
import { createSpinnaker } from '../camera/create';
import { causeOf, rangeOf } from '../camera/features';
import type { SpinnakerCamera } from '../camera/spinnaker';
import { VerdictdError } from '../errors';
import { preprocess, type Snapshot } from '../native';
import type { Context } from './context';
import { integer } from './options';
import { refuseRunning } from './running';

function cameraOf(context: Context): SpinnakerCamera {
  refuseRunning(context);
  return createSpinnaker(context.config(), (text) => context.io.err(text));
}

async function list(context: Context): Promise<void> {
  const { io } = context;
  const { library, version, devices } = await cameraOf(context).borrow((camera) => camera.list());
  if (io.json) io.outJson({ library, version, cameras: devices });
  else {
    io.err(`${library}, version ${version}`);
    for (const { serial, model, vendor, speed, access } of devices) io.out([serial, vendor, model, speed, access].join('  '));
    if (devices.length === 0) io.err('no camera is there; `verdictd doctor` checks cable, rights and USB');
  }
}

async function features(context: Context, names: readonly string[]): Promise<void> {
  const { io, signal } = context;
  await cameraOf(context).borrow(async (camera) => {
    await camera.open();
    const wanted = names.length > 0 ? names : await camera.features();
    for (const name of wanted) {
      signal.throwIfAborted();
      const feature = await camera.get(name).catch((thrown: unknown) => {
        // A feature of the list may have become unavailable; one that was asked for by name is an answer owed.
        const cause = causeOf(thrown);
        if (names.length === 0 && cause !== 'lost' && cause !== 'transient') return null;
        if (cause === 'missing') throw new VerdictdError('USAGE', `The camera has no feature ${name}; without names all are listed.`);
        throw thrown;
      });
      if (feature === null) continue;
      if (io.json) io.outJson({ name, ...feature });
      else io.out(`${name.padEnd(34)} ${String(feature.value).padEnd(18)} ${feature.writable ? 'rw' : 'r '}  ${rangeOf(feature)}`);
    }
  });
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
  const { io, signal } = context;
  const shot = await cameraOf(context).snap({ camera: {} }, options.timeout, signal);
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
    .description('Take one picture with the FLIR camera as camera.spinnaker sets it up; the facts of the frame stand in a .json beside it.')
    .option('--out <name>', 'path and name of the picture, without its ending', 'snap')
    .option('--raw', 'the bytes of the sensor, for `verdictd inspect` and camera.files; without it a PNG')
    .option('--timeout <ms>', 'longest wait for a frame', integer(10, 600000), 5000)
    .action(async (options: SnapOptions) => snap(context, options));
}

export function register(program: Command, context: Context): void {
  const camera = program.command('camera').description('Look at FLIR cameras.');
  camera
    .command('list')
    .description('List the cameras there are, with library and USB speed.')
    .action(async () => list(context));
  camera
    .command('features')
    .description('Show features of the camera: value, whether it can be written now, range.')
    .argument('[name...]', 'features by their SFNC name; all that can be read without it')
    .action(async (names: string[]) => features(context, names));
}
