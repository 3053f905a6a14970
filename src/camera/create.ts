import type { Config } from '../config/load';
import type { Camera } from '../ports';
import { AravisCamera, aravisPath } from './aravis';
import { FilesCamera } from './files';
import type { GenicamCamera } from './genicam';
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
    keepRaw: evidence.full !== 'none',
    notice,
  });
}

/** The Aravis camera of the configuration, whichever kind is in force. */
export function createAravis({ camera, trigger, evidence }: Config, notice: (text: string) => void): AravisCamera {
  const {
    device,
    library,
    features,
    buffers,
    packetSize,
    packetDelay,
    socketBuffer,
    packetSocket,
    acceptPulse,
    frameTimeout,
    ...settings
  } = camera.aravis;
  return new AravisCamera({
    library: aravisPath(library),
    device: device ?? '',
    settings,
    features: [...features],
    buffers,
    packetSize,
    packetDelay,
    socketBuffer,
    packetSocket,
    triggered: trigger.source === 'mqtt',
    acceptPulse,
    frameTimeout,
    thumbnailWidth: evidence.width,
    keepRaw: evidence.full !== 'none',
    notice,
  });
}

/** The camera that `camera`, `snap` and `doctor` look at: Aravis' where that kind is in force, else Spinnaker's. */
export function createGenicam(config: Config, notice: (text: string) => void): GenicamCamera {
  return config.camera.kind === 'aravis' ? createAravis(config, notice) : createSpinnaker(config, notice);
}

/** The camera that the configuration asks for; with triggers, one exposure with each `fire()`. `notice` is for people. */
export function createCamera(config: Config, notice: (text: string) => void): Camera & { showOnly?: SimulatedCamera['showOnly'] } {
  const { camera, trigger, evidence } = config;
  const triggered = trigger.source === 'mqtt';
  const kept = { thumbnailWidth: evidence.width, keepRaw: evidence.full !== 'none' };
  switch (camera.kind) {
    case 'simulated':
      return new SimulatedCamera({ ...camera.simulated, rate: triggered ? 0 : camera.simulated.rate, ...kept });
    case 'files': {
      const { paths, loop, order, rate } = camera.files;
      return new FilesCamera({ paths: [...paths], loop, order, rate: triggered ? 0 : rate, ...kept });
    }
    case 'spinnaker':
      return createSpinnaker(config, notice);
    case 'aravis':
      return createAravis(config, notice);
  }
}
