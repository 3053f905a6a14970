/** A camera that shows picture files in place of parts: replay, demonstration, tests of a line with real pictures. */
import { reason, VerdictdError } from '../errors';
import type { CameraInfo, Plan } from '../ports';
import { FedCamera, type Missed, type Session, type Shown, type Source } from './fed';
import { decodeImage, maxPixels } from './images';
import { listImages, truthOf } from './list';
import { PushedCamera } from './pushed';
import { mix } from './simulated/numbers';

export interface FilesOptions {
  /** Folders (with sub-folders) and files. */
  paths: string | readonly string[];
  /** Start again after the last picture; otherwise the exposures end. Default false. */
  loop?: boolean;
  /** By name in natural order, or shuffled, each round anew but the same at every start. Default name. */
  order?: 'name' | 'shuffled';
  /** Pictures per second; 0: one with each `fire()`; Infinity: as fast as they are consumed. */
  rate: number;
  /** Of the picture kept as evidence, px. Default 1024. */
  thumbnailWidth?: number;
  keepRaw?: boolean;
  /** Largest picture, in pixels. */
  maxPixels?: number;
}

/** Files in the order of one round. */
function ofRound(files: readonly string[], order: FilesOptions['order'], round: number): readonly string[] {
  if (order !== 'shuffled') return files;
  const keyed = files.map((file, i) => ({ file, key: mix(mix(0x66696c65, round), i) }));
  return keyed.sort((a, b) => a.key - b.key).map((one) => one.file);
}

class FileSource implements Source {
  /** Pictures shown so far, over all runs: a restarted camera goes on where it was. */
  private shown = 0;

  constructor(private readonly options: FilesOptions) {}

  /** Rejects with IMAGE_FOLDER_EMPTY where there is nothing to show. */
  async open(_plan: Plan, signal: AbortSignal): Promise<Session> {
    const { loop = false, order } = this.options;
    const files = await listImages(this.options.paths);
    if (!loop && this.shown >= files.length) this.shown = 0;
    let position = this.shown;
    let unreadable = 0; // in a row
    const show = async (): Promise<Shown | Missed | null> => {
      if (position >= files.length && !loop) return null;
      // A whole round without one picture: looping on would only spin. The station tries again, and then looks at the folder anew.
      if (loop && unreadable >= files.length) {
        const what = `None of the ${files.length} pictures in ${[this.options.paths].flat().join(', ')} can be read any more`;
        throw new VerdictdError('IMAGE_FOLDER_EMPTY', `${what}. Put pictures there, or correct camera.files.paths.`);
      }
      const path = ofRound(files, order, Math.floor(position / files.length))[position % files.length];
      position++;
      if (path === undefined) return null;
      const next = await this.load(path);
      unreadable = next.kind === 'missed' ? unreadable + 1 : 0;
      return next;
    };
    const first = await show();
    if (signal.aborted) throw new VerdictdError('ABORTED', 'Stopped while the first picture was read.');
    const image = first?.kind === 'image' ? first.image : { width: 0, height: 0, pixelFormat: 'RGB8' as const };
    const info: CameraInfo = {
      vendor: 'verdictd',
      model: 'picture files',
      serial: `${files.length} files`,
      simulated: true,
      width: image.width,
      height: image.height,
      pixelFormat: image.pixelFormat,
    };
    let given = false;
    return {
      info,
      next: () => {
        if (given) return show();
        given = true;
        return Promise.resolve(first);
      },
      wanted: () => true,
      close: () => Promise.resolve(),
    };
  }

  private async load(path: string): Promise<Shown | Missed> {
    const taken = (): void => {
      this.shown++;
    };
    const about = { source: path, truth: truthOf(path), taken };
    try {
      const image = await decodeImage(path, path, this.options.maxPixels ?? maxPixels);
      return { kind: 'image', image, ...about, done: () => undefined };
    } catch (thrown) {
      return { kind: 'missed', detail: reason(thrown), ...about };
    }
  }
}

/**
 * Shows picture files in order. An unreadable one is a fault (303) in its place: a part was waiting for it. Truth comes from
 * folder names (`good`, `test/KIND`). Its frames are always `simulated`.
 */
export class FilesCamera extends FedCamera {
  constructor(options: FilesOptions) {
    super(
      new FileSource(options),
      options.rate,
      new PushedCamera({ simulated: true, thumbnailWidth: options.thumbnailWidth, keepRaw: options.keepRaw }),
    );
  }
}
