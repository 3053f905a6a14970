/** A FLIR camera over the Spinnaker library: what differs from any other GenICam camera. */
import type { BackendOptions, NativeCamera } from '../native';
import type { CameraValues } from '../ports';
import { type Command, causeOf, type Step } from './features';
import { type Driver, GenicamCamera, type GenicamOptions, timedByArrival } from './genicam';
import { setProducers } from './gentl';
import { acceptOutput, type CameraSettings, paceOf, stepsOf } from './steps';
import { usbfsFix, usbfsMemory, usbfsNeed } from './usbfs';

export interface SpinnakerOptions extends GenicamOptions {
  library: string; // absolute path; '': the usual places
  serial: string; // '': the only camera there is
  settings: CameraSettings;
  /** One exposure with each fire(). */
  triggered: boolean;
}

/** Bytes of a full frame of 4096 x 2160 at 8 bits. */
const fullFrame = 8_847_360;

class SpinnakerDriver implements Driver {
  readonly hangTime = 5_000;

  constructor(private readonly options: SpinnakerOptions) {}

  get pace() {
    return paceOf(this.options);
  }

  get accepts() {
    return this.options.settings.acceptLine !== null;
  }

  backend(): BackendOptions {
    setProducers();
    const { library, serial } = this.options;
    return { backend: 'spinnaker', library, serial, acceptOutput: this.accepts ? acceptOutput : '' };
  }

  steps(recipe: CameraValues): (Step | Command)[] {
    return stepsOf(this.options.settings, recipe, this.pace);
  }

  async doubts(camera: NativeCamera): Promise<string[]> {
    return [...(await slowLink(camera)), ...(await this.littleMemory(camera)), ...(await noLatch(camera))];
  }

  remedy(cause: string, number: number): string {
    if (number === -1010 && cause === 'environment') {
      const need = usbfsNeed(this.options.settings.StreamBufferCountManual, fullFrame);
      return `The kernel lends ${usbfsMemory() ?? 'too few'} MiB to USB transfers, ${need} are needed at full size: ${usbfsFix(need)}.`;
    }
    if (number === -1012) return 'Set SPINNAKER_GENTL64_CTI to the path of Spinnaker_GenTL.cti (in the systemd unit: Environment=).';
    if (number === -1005) return 'Another program holds the camera: close SpinView, or whatever `verdictd doctor` names.';
    switch (cause) {
      case 'absent':
        return 'Check cable and power, and the rights to the USB device (`verdictd doctor`); set camera.spinnaker.serial to a camera that is present.';
      case 'refused':
      case 'missing':
      case 'unavailable':
      case 'readOnly':
        return '`verdictd camera features` shows what the camera offers.';
      case 'timeout':
        return 'Check the trigger, ExposureTime and the USB link.';
      case 'environment':
        return '`verdictd doctor` shows what is missing.';
      default:
        return 'Check its cable and power; `verdictd doctor` checks the rest.';
    }
  }

  private async littleMemory(camera: NativeCamera): Promise<string[]> {
    const payload = Number((await camera.get('PayloadSize')).value);
    const need = usbfsNeed(this.options.settings.StreamBufferCountManual, payload);
    const has = usbfsMemory();
    if (has === null || has === 0 || has >= need) return [];
    return [`USB transfers need ${need} MiB and the kernel lends ${has}: ${usbfsFix(need)}`];
  }
}

async function slowLink(camera: NativeCamera): Promise<string[]> {
  const speed = await camera.get('DeviceCurrentSpeed').then(
    ({ value }) => value,
    () => null, // not every library says
  );
  if (speed === null || speed === 'SuperSpeed' || speed === 'UnknownSpeed') return [];
  return [`the camera is connected at ${String(speed)}, USB 2 at best: use a USB 3 port and a USB 3 cable`];
}

async function noLatch(camera: NativeCamera): Promise<string[]> {
  const there = await camera.get('TimestampLatchValue').then(
    () => true,
    (thrown: unknown) => !['missing', 'unavailable'].includes(causeOf(thrown)), // else the start will tell
  );
  return there ? [] : [timedByArrival('the camera has no TimestampLatch')];
}

export class SpinnakerCamera extends GenicamCamera {
  constructor(options: SpinnakerOptions) {
    super(new SpinnakerDriver(options), options);
  }
}
