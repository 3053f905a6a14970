/** A GenICam camera by hand: what a technician asks of it, whether a station runs on it or not. */
import { VerdictdError } from '../errors';
import type { DeviceEntry, DeviceInfo, Feature, NativeCamera, Snapshot } from '../native';
import type { Camera, Ms, Plan } from '../ports';
import { causeOf } from './features';

/** User sets that may be written; the camera's own default never is. */
export const userSets = ['UserSet0', 'UserSet1'] as const;
export type UserSet = (typeof userSets)[number];

export type Asked = Pick<NativeCamera, 'features' | 'get'>;
export type NamedFeature = { name: string } & Feature;

export interface HandCamera extends Camera {
  /** The camera of the run now, for questions that leave its stream alone. Rejects with CAMERA_FAILED where none runs. */
  ask<T>(use: (camera: Asked, device: DeviceInfo) => Promise<T>): Promise<T>;
  /** The camera while none runs, not opened. */
  borrow<T>(use: (camera: NativeCamera) => Promise<T>): Promise<T>;
  /** One exposure as it came, set up as for a run; the camera must not run. */
  snap(plan: Pick<Plan, 'camera'>, timeout: Ms, signal: AbortSignal): Promise<Snapshot>;
  /** The settings of a run into the camera's own memory; the camera must not run. */
  saveUserSet(plan: Pick<Plan, 'camera'>, set: UserSet, signal: AbortSignal): Promise<void>;
}

export function byHand(camera: Camera | null): camera is HandCamera {
  return camera !== null && 'ask' in camera && 'borrow' in camera && 'saveUserSet' in camera;
}

export interface Listed {
  library: string;
  version: string; // '' where it cannot be asked
  cameras: DeviceEntry[];
}

/** The one camera that a run holds: looking for others would disturb its stream. */
export async function listHeld(camera: HandCamera): Promise<Listed> {
  return await camera.ask(async (asked, { library, vendor, model, serial }) => {
    const speed = await asked.get('DeviceCurrentSpeed').then(
      ({ value }) => String(value),
      () => '', // not every library says
    );
    return { library, version: '', cameras: [{ vendor, model, serial, speed, access: 'held by the running station', location: '' }] };
  });
}

/**
 * Features of these names; all that can be read where none is named. Throws USAGE for a name the camera does not have; one of the
 * list that has become unavailable is left out.
 */
export async function readFeatures(camera: Asked, names: readonly string[], signal: AbortSignal): Promise<NamedFeature[]> {
  const found: NamedFeature[] = [];
  for (const name of names.length > 0 ? names : await camera.features()) {
    signal.throwIfAborted();
    try {
      found.push({ name, ...(await camera.get(name)) });
    } catch (thrown) {
      const cause = causeOf(thrown);
      if (names.length === 0 && cause !== 'lost' && cause !== 'transient') continue;
      if (cause === 'missing') throw new VerdictdError('USAGE', `The camera has no feature ${name}; without names all are listed.`);
      throw thrown;
    }
  }
  return found;
}

/** Writes the settings in force into `set`; nothing is written unless the selector took it. */
export async function writeUserSet(camera: NativeCamera, set: UserSet): Promise<void> {
  const { value } = await camera.set('UserSetSelector', set);
  if (value !== set) throw new VerdictdError('CAMERA_FAILED', `The camera selected ${String(value)} and not ${set}; nothing was saved.`);
  await camera.execute('UserSetSave');
}
