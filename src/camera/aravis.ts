/** Any USB3 Vision or GigE Vision camera over the Aravis library: what differs from any other GenICam camera. */
import type { BackendOptions } from '../native';
import type { CameraValues } from '../ports';
import type { Command, Step } from './features';
import { type Driver, GenicamCamera, type GenicamOptions, timedByArrival } from './genicam';
import { acceptOutput, paceOf, type StandardSettings, standardSteps } from './steps';

export interface AravisOptions extends GenicamOptions {
  library: string; // absolute path; '': the usual places
  device: string; // serial number, Aravis' name, or IP address; '': the only camera there is
  settings: StandardSettings;
  /** `NAME=VALUE`, or the name of a command: what a make has beside the standard. */
  features: readonly string[];
  buffers: number; // frames the host has room for
  packetSize: number | null; // bytes, GigE; null: found out with the camera
  packetDelay: number | null; // ns, GigE; null: as the camera has it
  socketBuffer: number; // MiB, GigE
  packetSocket: boolean; // GigE
  /** One exposure with each fire(). */
  triggered: boolean;
}

/** Where the library is looked for: the configuration's path, else VERDICTD_ARAVIS_LIBRARY, else '' for the usual places. */
export function aravisPath(configured: string | null, env: Readonly<Record<string, string | undefined>> = process.env): string {
  return configured ?? env.VERDICTD_ARAVIS_LIBRARY ?? '';
}

/** Errors of the library's devices, one above its own numbers. */
const notController = 11;
const accessDenied = 18;

class AravisDriver implements Driver {
  // A word to a GigE camera that has gone is given up after 2.5 s, and letting go of it takes four of them.
  readonly hangTime = 30_000;

  constructor(private readonly options: AravisOptions) {}

  get pace() {
    return paceOf(this.options);
  }

  get accepts() {
    return this.options.settings.acceptLine !== null;
  }

  backend(): BackendOptions {
    const { library, device, buffers, packetSize, packetDelay, socketBuffer, packetSocket } = this.options;
    return {
      backend: 'aravis',
      library,
      device,
      acceptOutput: this.accepts ? acceptOutput : '',
      buffers,
      packetSize: packetSize ?? 0,
      packetDelay: packetDelay ?? -1,
      socketBuffer: socketBuffer * 2 ** 20,
      packetSocket,
    };
  }

  steps(recipe: CameraValues): (Step | Command)[] {
    return standardSteps(this.options.settings, this.options.features, recipe, this.pace);
  }

  async doubts(): Promise<string[]> {
    // Its network and its USB port are looked at by `verdictd doctor`.
    return [timedByArrival('the time stamps of cameras are not used over Aravis')];
  }

  remedy(cause: string, number: number): string {
    if (number === notController || number === accessDenied) return 'Another program controls the camera: close it.';
    switch (cause) {
      case 'absent':
        return 'Check cable, power and network; set camera.aravis.device to a camera that is present (`verdictd camera list`), or to its IP address.';
      case 'refused':
      case 'missing':
      case 'unavailable':
      case 'readOnly':
        return '`verdictd camera features` shows what the camera offers.';
      case 'timeout':
        return 'Check the trigger, ExposureTime and, for GigE, camera.aravis.packetSize.';
      case 'environment':
        return '`verdictd doctor` shows what is missing.';
      default:
        return 'Check its cable, power and network; `verdictd doctor` checks the rest.';
    }
  }
}

export class AravisCamera extends GenicamCamera {
  constructor(options: AravisOptions) {
    super(new AravisDriver(options), options);
  }
}
