/** The simulated production line as a camera: procedural parts with known truth, the same for the same seed on every machine. */
import { VerdictdError } from '../errors';
import type { CameraInfo, Plan } from '../ports';
import { WorkerClient, workerFile } from '../threads';
import { FedCamera, type Session, type Shown, type Source } from './fed';
import { PushedCamera } from './pushed';
import type { RenderMethods } from './render_worker';
import { type FamilyName, familyNames } from './simulated/families';
import { type DefectKind, defectOf } from './simulated/part';
import { truthOf } from './simulated/render';

export interface SimulatedOptions {
  family: FamilyName;
  /** Which product of the family. */
  product: number;
  /** Of all variation and of the defects. */
  seed: number;
  width: number; // px, even, 64..8192
  height: number; // px, even, 64..8192
  /** Share of parts with a defect, 0..1. */
  defectRate: number;
  /** Of the picture kept as evidence, px. Default 1024. */
  thumbnailWidth?: number;
  keepRaw?: boolean;
  /** Parts per second; 0: one with each `fire()`. */
  rate: number;
}

function checked(options: SimulatedOptions, plan: Plan): void {
  const { family, width, height, defectRate, rate } = options;
  const wrong = (key: string, value: unknown, expected: string): never => {
    throw new VerdictdError(
      'CAMERA_CONFIG',
      `The simulated camera's ${key} is ${String(value)}; expected ${expected}. Change camera.simulated.${key}.`,
    );
  };
  if (!familyNames.includes(family)) wrong('family', family, `one of ${familyNames.join(', ')}`);
  for (const [key, size] of [
    ['width', width],
    ['height', height],
  ] as const) {
    if (!Number.isInteger(size) || size < 64 || size > 8192 || size % 2 !== 0) wrong(key, size, 'an even number of 64 to 8192 px');
  }
  if (!(defectRate >= 0 && defectRate <= 1)) wrong('defectRate', defectRate, '0 to 1');
  if (!(rate >= 0)) wrong('rate', rate, '0 (on trigger) or parts per second');
  const { Width, Height, PixelFormat } = plan.camera;
  if (Width !== undefined && Width !== width) wrong('width', width, `${Width} px, at which recipe ${plan.recipe.id} was taught`);
  if (Height !== undefined && Height !== height) wrong('height', height, `${Height} px, at which recipe ${plan.recipe.id} was taught`);
  if (PixelFormat !== undefined && PixelFormat !== 'BayerRG8') {
    throw new VerdictdError(
      'CAMERA_CONFIG',
      `Recipe ${plan.recipe.id} was taught in ${PixelFormat}; the simulated camera gives BayerRG8. Teach it again with this camera.`,
    );
  }
}

class LineSource implements Source {
  /** Number of the next part, over all runs. */
  private part = 0;
  /** Which parts pass the camera. */
  show: 'good' | 'all' = 'all';

  constructor(private readonly options: SimulatedOptions) {}

  /** Rejects with CAMERA_CONFIG for options that cannot be, ABORTED. */
  async open(plan: Plan, signal: AbortSignal): Promise<Session> {
    checked(this.options, plan);
    const { family, product, width, height, seed } = this.options;
    const worker = new WorkerClient<RenderMethods>(workerFile('camera/render_worker'), 'simulated line');
    worker.start();
    const abort = (): void => void worker.end();
    signal.addEventListener('abort', abort, { once: true });
    try {
      await worker.call('prepare', { family, product, width, height });
    } catch (thrown) {
      await worker.end();
      throw thrown;
    } finally {
      signal.removeEventListener('abort', abort);
    }
    const info: CameraInfo = {
      vendor: 'verdictd',
      model: 'simulated line',
      serial: `${family}-${product}-${seed}`,
      simulated: true,
      width,
      height,
      pixelFormat: 'BayerRG8',
    };
    const spare: ArrayBuffer[] = [];
    let ahead = this.part;
    return {
      info,
      next: async (): Promise<Shown> => {
        const { part, defect } = this.choose(ahead);
        ahead = part + 1;
        const empty = spare.pop() ?? new ArrayBuffer(width * height);
        const buffer = await worker.call('render', { spec: { ...this.options, part, defect }, buffer: empty }, [empty]);
        return {
          kind: 'image',
          image: { width, height, stride: width, pixelFormat: 'BayerRG8', data: new Uint8Array(buffer) },
          source: null,
          truth: truthOf(defect),
          taken: () => {
            this.part = part + 1;
          },
          done: () => spare.push(buffer),
        };
      },
      wanted: (shown) => this.show === 'all' || shown.truth?.good === true,
      close: () => worker.end(),
    };
  }

  /** The first part from `from` on that is to be shown. A line that makes nothing good shows its parts without their defects. */
  private choose(from: number): { part: number; defect: DefectKind | null } {
    const spec = { family: this.options.family, product: this.options.product, seed: this.options.seed };
    for (let part = from; part < from + 1000; part++) {
      const defect = defectOf({ ...spec, part }, this.options.defectRate);
      if (this.show === 'all' || defect === null) return { part, defect };
    }
    return { part: from, defect: null };
  }
}

/**
 * A production line that exists only here: BayerRG8 frames of the camera's size, rendered in a worker thread, with the truth
 * attached for evaluation. Part numbers go on over stop and start.
 */
export class SimulatedCamera extends FedCamera {
  private readonly line: LineSource;

  constructor(options: SimulatedOptions) {
    const line = new LineSource(options);
    super(line, options.rate, new PushedCamera({ simulated: true, thumbnailWidth: options.thumbnailWidth, keepRaw: options.keepRaw }));
    this.line = line;
  }

  /** `good`: defective parts are taken off the line before the camera, as a person does who teaches. Holds from the next exposure on. */
  showOnly(show: 'good' | 'all'): void {
    this.line.show = show;
  }
}
