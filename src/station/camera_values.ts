/** What a recipe must bring back of the camera: the values its shots were taken with. */
import { byHand, readFeatures } from '../camera/hand';
import type { Config } from '../config/load';
import type { Camera, CameraValues } from '../ports';

const read = ['ExposureTime', 'Gain', 'PixelFormat', 'OffsetX', 'OffsetY', 'Width', 'Height'] as const;

/**
 * Read back from a camera that can be asked: a value is not always what was asked for. The balance is as it was asked for (`asked`, else
 * the configuration): reading it takes a selector, which would disturb the stream. None of pictures from files and of the simulated line.
 * Throws CAMERA_FAILED where the camera is not up.
 */
export async function cameraValues(
  camera: Camera,
  config: Config['camera'],
  asked: CameraValues,
  signal: AbortSignal,
): Promise<CameraValues> {
  if (!byHand(camera)) return asked;
  const found = await camera.ask(async (now) => {
    const there = new Set(await now.features());
    return await readFeatures(
      now,
      read.filter((name) => there.has(name)),
      signal,
    );
  });
  const own = config.kind === 'aravis' ? config.aravis : config.spinnaker;
  const { BalanceRatioRed: red = own.BalanceRatioRed, BalanceRatioBlue: blue = own.BalanceRatioBlue } = asked;
  return {
    ...Object.fromEntries(found.map(({ name, value }) => [name, value])),
    ...(red === null ? {} : { BalanceRatioRed: red }),
    ...(blue === null ? {} : { BalanceRatioBlue: blue }),
  };
}
