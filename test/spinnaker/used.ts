/** Cameras over the fake as tests use them up: each file asks `begin` once, and `clean` after each of its tests. */
import type { SpinnakerCamera } from '../../src/camera/spinnaker';
import type { CameraValues, Frame, FrameFault, Plan } from '../../src/ports';
import { planOf, type Reader, soon } from '../contract/camera';
import { built, type Change, spinnaker, status } from './fake';

const used: SpinnakerCamera[] = [];

export function make(change: Change = {}): SpinnakerCamera {
  const camera = spinnaker(change);
  used.push(camera);
  return camera;
}

/** The library is loaded: its first call starts it, and with it its control socket. */
export function begin(): void {
  if (built) beforeAll(async () => void (await spinnaker().borrow((camera) => camera.list())));
}

/** Nothing of the library is held, and none of its rules was broken. */
export async function clean(): Promise<void> {
  for (const camera of used.splice(0)) await camera.stop(soon());
  const { instances, held, violations } = await status();
  expect({ instances, held, violations }).toEqual({
    instances: 0,
    held: { cameras: 0, lists: 0, images: 0, handlers: 0, nodes: 0, entries: 0 },
    violations: [],
  });
}

export const planWith = (camera: CameraValues): Plan => ({ ...planOf(), camera });

/** Fires and reads one exposure. */
export async function shoot(camera: SpinnakerCamera, reader: Reader): Promise<Frame | FrameFault> {
  await camera.fire();
  const shot = await reader.shot();
  if (shot.kind === 'frame') shot.release();
  return shot;
}
