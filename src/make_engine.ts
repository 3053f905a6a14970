/** The inference engine as the station and every command have it: golden images are read as pictures of parts are. */
import { readPicture } from './camera/picture';
import { systemClock } from './clock';
import { Engine, type EngineDeps, type EngineOptions } from './inspect/engine';
import type { InputSpec } from './ports';

/** A picture file as the model's tensor [3,height,width]. Throws IMAGE_UNREADABLE. */
export const tensorOfFile = async (path: string, input: InputSpec): Promise<Float32Array> => (await readPicture(path, input)).tensor;

/** Not started. `engines`: see EngineDeps; `clock`: the system's unless given. */
export function makeEngine(
  options: EngineOptions,
  { clock = systemClock, ...deps }: Omit<EngineDeps, 'tensor' | 'clock'> & Partial<Pick<EngineDeps, 'clock'>>,
): Engine {
  return new Engine(options, { ...deps, clock, tensor: tensorOfFile });
}
