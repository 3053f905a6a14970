/**
 * The native addon: its types, and the loading of it. Nothing else.
 * Each thread (main, workers) that imports this gets its own classes over the same process-wide rings.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { reason, VerdictdError } from './errors';
import { packageRoot } from './package';
import type { InputSpec, Ms, PixelFormat, Quality } from './ports';

/** A picture in memory. `stride` is in bytes; `data` covers every row. Bayer names give the colours of the first 2 x 2 pixels. */
export interface RawImage {
  width: number; // px, 1..16384; Bayer: at least 4
  height: number; // px, the same
  stride: number; // bytes from row to row
  pixelFormat: PixelFormat;
  data: Uint8Array;
}

/** The model's input and, where only part of the frame goes into it, which part (px). */
export interface NativeInput extends InputSpec {
  region?: { x: number; y: number; width: number; height: number };
}

/** RGB, 8 bit, interleaved, rows without padding. */
export interface Thumbnail {
  width: number;
  height: number;
  data: Buffer;
}

/** A ring of frame slots; see native/frame/ring.h. Throws an Error with a sentence on a slot or lease that is not in force. */
export interface Ring {
  readonly id: number;
  readonly slots: number;
  readonly width: number; // of the tensor
  readonly height: number; // of the tensor
  /** Slots that are not leased now. */
  readonly free: number;
  /** The slot's tensor, float32 [3, height, width], in place: no copy, always the same array in one thread. Valid while the frame is leased. */
  tensor(slot: number): Float32Array;
  /** A copy of the tensor. */
  copy(slot: number, lease: number): Float32Array;
  /** A copy of the slot's thumbnail. */
  thumbnail(slot: number, lease: number): Thumbnail;
  /** The whole frame in colour, where the camera was started with `keepRaw`: taken out of the slot, once; the slot may be released at once. */
  develop(slot: number, lease: number): Promise<Thumbnail>;
  /** Gives the slot back, once. */
  release(slot: number, lease: number): void;
  /** Owner: no more frames will come. The memory goes when the last lease has come back and no thread looks at it. */
  retire(): void;
}

/** What the camera thread tells. `tag` is the number a picture was pushed under, 0 for a camera's own. */
export type NativeEvent =
  | {
      kind: 'frame';
      slot: number;
      lease: number;
      frameId: number;
      tag: number;
      width: number;
      height: number;
      pixelFormat: PixelFormat;
      exposed: Ms;
      ready: Ms;
      quality: Quality;
      chunk: ChunkData | null;
    }
  | { kind: 'fault'; cause: string; detail: string; at: Ms; tag: number }
  | { kind: 'freed'; tag: number }
  | { kind: 'end' };

export interface DeviceInfo {
  vendor: string;
  model: string;
  serial: string;
  library: string;
}

/** A GenICam feature, read back from the device. */
export interface Feature {
  value: boolean | number | string;
  unit: string;
  writable: boolean;
  min: number | null;
  max: number | null;
  increment: number | null;
  entries: string[];
}

/** What the camera itself wrote into a frame, by SFNC name: ns of its clock, us, dB. */
export interface ChunkData {
  FrameID: number | null;
  Timestamp: number | null;
  ExposureTime: number | null;
  Gain: number | null;
}

/** A camera that is there, opened or not; '' where the library does not say. */
export interface DeviceEntry {
  vendor: string;
  model: string;
  serial: string;
  speed: string; // 'SuperSpeed' for USB 3, 'HighSpeed' for USB 2
  access: string;
  location: string;
}

/** One exposure as it came, rows without padding. */
export interface Snapshot extends RawImage {
  data: Buffer;
  frameId: number;
  exposed: Ms;
  chunk: ChunkData | null;
}

/** What the frames of a stream must be; others are faults. Numbers of 0 are not checked. */
export interface ExpectedFrame {
  width: number; // px
  height: number; // px
  pixelFormat: PixelFormat;
  late: Ms; // since the end of exposure
  frameTimeout: Ms; // from a software trigger to its frame; 0: frames come by themselves
}

/** Which library makes the frames. Texts may be empty: the usual places, the only camera, no accept output. */
export type BackendOptions =
  | { backend: 'pushed' }
  | { backend: 'spinnaker'; library: string; serial: string; acceptOutput: string }
  | {
      backend: 'aravis';
      library: string;
      device: string;
      acceptOutput: string;
      buffers: number; // 1..1000
      packetSize: number; // bytes; 0: found out with the camera
      packetDelay: number; // ns; -1: as the camera has it
      socketBuffer: number; // bytes; 0: as the library has it
      packetSocket: boolean;
    };

/** What a rejected command of the camera carries. */
export interface BackendFailure extends Error {
  cause: string;
  number: number;
}

/** One camera and its native thread. Commands are carried out in order; they reject with a BackendFailure. */
export interface NativeCamera {
  /** The cameras there are, without opening one; only while this one is not open. */
  list(): Promise<{ library: string; version: string; devices: DeviceEntry[] }>;
  open(): Promise<DeviceInfo>;
  /** Names of the features that can be read now. */
  features(): Promise<string[]>;
  get(feature: string): Promise<Feature>;
  set(feature: string, value: boolean | number | string): Promise<Feature>;
  execute(command: string): Promise<void>;
  /** `thumbnailWidth` in px, 64..4096; 0: no thumbnails. `keepRaw`: each slot keeps a copy of its frame; see Ring.develop. */
  start(stream: { ring: number; input: NativeInput; thumbnailWidth: number; keepRaw?: boolean; expected?: ExpectedFrame }): Promise<void>;
  /** Resolves once the camera has taken the trigger; triggers wait for one another. */
  fire(): Promise<void>;
  /** One exposure, while no stream runs; starts and stops the camera. */
  snap(timeout: Ms): Promise<Snapshot>;
  /**
   * Energises the accept output for `time`. Rejects, with the output at rest, where it would rise after `until` (monotonic), or after a
   * fault that came since this was called: the camera's thread may be busy.
   */
  accept(until: Ms, time: Ms): Promise<void>;
  stop(): Promise<void>;
  /** Ends stream, backend and thread, in this order. Afterwards nothing comes any more. */
  close(): Promise<void>;
  health(): {
    connected: boolean;
    alive: Ms;
    frames: number;
    faults: Record<string, number>;
    droppedFaults: number;
    temperature: number | null;
    /** Counters and gauges of the camera by SFNC name. */
    values: Record<string, number>;
  };
  /** Copies the picture; `freed` of this tag says that the thread is done with it. Throws when the queue (8) is full, or the tag in use. */
  push(image: RawImage, tag: number, exposed: Ms): void;
  pushFault(cause: string, detail: string, tag: number): void;
  pushEnd(): void;
}

export interface Lock {
  close(): void;
}

export interface Preprocessed {
  tensor: Float32Array; // [3, height, width]
  quality: Quality;
  thumbnail?: Thumbnail;
  resized?: Buffer; // the 8 bit grid, interleaved RGB
}

interface Addon {
  /** `before`: the camera whose place this one takes; a picture that it showed last is frozen when it comes again. */
  Camera: new (
    options: BackendOptions,
    onEvent: (event: NativeEvent) => void,
    before?: NativeCamera,
  ) => NativeCamera;
  createRing(shape: { slots: number; width: number; height: number }): Ring;
  openRing(id: number): Ring;
  preprocess(image: RawImage, input: NativeInput, options?: { thumbnailWidth?: number; resized?: boolean }): Promise<Preprocessed>;
  lockFile(path: string): Lock | null;
  notify(socket: string, text: string): void;
  endWithin(ms: number, exitCode: number): void;
}

/** Where `npm ci` leaves the addon (package.json, binary.module_path). */
const file = join(packageRoot, 'build', 'Release', 'verdictd.node');

function load(): Addon {
  if (!existsSync(file)) {
    throw new VerdictdError(
      'NATIVE_MISSING',
      `The native addon is not built: there is no ${file}. Run \`npm rebuild\` in ${packageRoot} (it needs a C++ compiler, make and Python 3).`,
    );
  }
  try {
    return require(file) as Addon;
  } catch (thrown) {
    throw new VerdictdError(
      'NATIVE_MISSING',
      `The native addon ${file} cannot be loaded on this ${process.arch} machine: ${reason(thrown)}. Run \`npm rebuild\` in ${packageRoot}.`,
      { cause: thrown },
    );
  }
}

let loaded: Addon | undefined;
/** The addon, loaded when first needed. Throws NATIVE_MISSING with what to do. */
export function native(): Addon {
  loaded ??= load();
  return loaded;
}

/** The ring of a frame, in any thread. Throws when its camera has been stopped and the last lease is back. */
export function openRing(id: number): Ring {
  return native().openRing(id);
}

/** An exclusive lock on a file, held until close() or the end of the process; null where another process holds it. */
export function lockFile(path: string): Lock | null {
  return native().lockFile(path);
}

/**
 * The process ends with `exitCode` after `ms` at the latest, whatever hangs: a vendor's library that does not come back, a destructor of
 * one. Nothing is flushed or closed then. Without the addon loaded there is nothing that could, and nothing is done.
 */
export function endWithin(ms: number, exitCode: number): void {
  loaded?.endWithin(ms, exitCode);
}

/** One datagram to a supervisor's socket, as in sd_notify(3); an abstract name begins with '@'. Never waits; throws with `errno`. */
export function sdNotify(socket: string, text: string): void {
  native().notify(socket, text);
}

/** One picture, copied at the call, to the model's input, off this thread. */
export async function preprocess(
  image: RawImage,
  input: NativeInput,
  options: { thumbnailWidth?: number; resized?: boolean } = {},
): Promise<Preprocessed> {
  return native().preprocess(image, input, options);
}
