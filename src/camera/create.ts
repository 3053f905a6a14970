import type { Config } from '../config/load';
import type { Camera } from '../ports';
import { FilesCamera } from './files';
import { libraryPath } from './gentl';
import { SimulatedCamera } from './simulated';
import { SpinnakerCamera } from './spinnaker';

/** The Spinnaker camera of the configuration, whichever kind is in force. */
export function createSpinnaker({ camera, trigger, evidence }: Config, notice: (text: string) => void): SpinnakerCamera {
  const { serial, library, acceptPulse, frameTimeout, ...settings } = camera.spinnaker;
  return new SpinnakerCamera({
    library: libraryPath(library),
    serial: serial ?? '',
    settings,
    triggered: trigger.source === 'mqtt',
    acceptPulse,
    frameTimeout,
    thumbnailWidth: evidence.width,
    notice,
  });
}

/** The camera that the configuration asks for; with triggers, one exposure with each `fire()`. `notice` is for people. */
export function createCamera(config: Config, notice: (text: string) => void): Camera & { showOnly?: SimulatedCamera['showOnly'] } {
  const { camera, trigger, evidence } = config;
  const triggered = trigger.source === 'mqtt';
  const thumbnailWidth = evidence.width;
  switch (camera.kind) {
    case 'simulated':
      return new SimulatedCamera({ ...camera.simulated, rate: triggered ? 0 : camera.simulated.rate, thumbnailWidth });
    case 'files': {
      const { paths, loop, order, rate } = camera.files;
      return new FilesCamera({ paths: [...paths], loop, order, rate: triggered ? 0 : rate, thumbnailWidth });
    }
    case 'spinnaker':
      return createSpinnaker(config, notice);
  }
}
