/**
 * The seams of the house. Rooms depend on these types and on nothing of each other; only `station.ts` and `cli/` construct.
 * Units: times in ms on the monotonic clock (see clock.ts) unless a name says otherwise; scores are calibrated, >= 0.
 */
import type { Code, Evaluation, ResultState } from './codes';

export type Ms = number;
export type Cancel = () => void;

export interface Clock {
  /** Monotonic ms, one scale for all threads and the addon. */
  now(): Ms;
  /** A label for people; `trusted` is false where the clock cannot have been set. */
  wall(): { utc: string; trusted: boolean };
  /** Calls `f` once at monotonic time `t` (at once if past), unless cancelled. */
  at(t: Ms, f: () => void): Cancel;
}

/** How a picture becomes the model's input: everything that changes the numbers. From the bundle's manifest. */
export interface InputSpec {
  width: number; // px
  height: number; // px
  resize: 'bicubic'; // Pillow's antialiased bicubic (a = -0.5), on the 8 bit grid
  fit: 'squash'; // straight to width x height, aspect not kept, as CLIP's authors do at a square size
  mean: [number, number, number]; // RGB, of values 0..1
  std: [number, number, number];
}

export type PixelFormat = 'BayerRG8' | 'BayerGB8' | 'BayerGR8' | 'BayerBG8' | 'RGB8' | 'BGR8' | 'Mono8';

/** Camera values that change the picture; SFNC names and units. Read back at teach, applied with the recipe. */
export interface CameraValues {
  ExposureTime?: number; // us
  Gain?: number; // dB
  BalanceRatioRed?: number;
  BalanceRatioBlue?: number;
  PixelFormat?: PixelFormat;
  OffsetX?: number; // px
  OffsetY?: number; // px
  Width?: number; // px
  Height?: number; // px
}

/** Preprocessing and camera values under which frames are taken. A frame of another plan is never judged. */
export interface Plan {
  id: number; // unique in this process
  recipe: RecipeRef;
  input: InputSpec;
  camera: CameraValues;
}

export interface RecipeRef {
  id: string; // slug [a-z0-9-]{1,32}
  number: number; // 1..65535, the wire's recipeId
}

/** Truth of a simulated or labelled part: for evaluation and the demo's table only, never for the verdict. */
export interface Truth {
  good: boolean;
  defect: string | null;
}

/** Figures of the picture itself, before any model: computed in the preprocessing pass on the model's 8 bit grid. */
export interface Quality {
  mean: number; // 0..255, luma
  dark: number; // share of pixels <= 4
  bright: number; // share of pixels >= 251
  sharpness: number; // mean absolute Laplacian of luma, 8 bit units
}

/** One exposure, already the model's tensor in a leased slot of the ring. Whoever holds it must `release` it, once. */
export interface Frame {
  readonly kind: 'frame';
  readonly planId: number;
  readonly frameId: number; // the camera's own counter
  readonly ring: number; // id of the process-wide ring
  readonly slot: number;
  readonly width: number; // px of the sensor image
  readonly height: number;
  readonly pixelFormat: PixelFormat;
  readonly exposed: Ms; // end of exposure, mapped to the monotonic clock
  readonly ready: Ms; // tensor complete in its slot
  readonly quality: Quality;
  readonly simulated: boolean;
  readonly source: string | null; // file path, where it came from one
  readonly truth: Truth | null;
  release(): void;
}

/** An exposure that must not be judged, or one that never came. */
export interface FrameFault {
  readonly kind: 'fault';
  readonly code: Code; // 3xx
  readonly detail: string; // a sentence
  readonly at: Ms;
  readonly source: string | null;
  readonly truth: Truth | null;
}

export interface CameraInfo {
  vendor: string;
  model: string;
  serial: string;
  simulated: boolean;
  width: number;
  height: number;
  pixelFormat: PixelFormat;
}

export interface CameraHealth {
  connected: boolean;
  /** Monotonic ms of the last sign of life (frame or answered poll). */
  alive: Ms;
  frames: number;
  faults: Record<string, number>; // by cause
  temperature: number | null; // degrees Celsius
  /** Counters and gauges of a real camera by SFNC name. */
  values?: Record<string, number>;
}

export interface Camera {
  start(plan: Plan, signal: AbortSignal): Promise<CameraInfo>;
  /** Frames and faults in exposure order; ends when the camera is stopped or (files, once) has no more. One reader. */
  exposures(): AsyncIterable<Frame | FrameFault>;
  /** Software trigger: one exposure, which comes out of `exposures()` as exactly one frame or fault. Rejects when the camera cannot take one. */
  fire(): Promise<void>;
  health(): CameraHealth;
  /**
   * The part that was last looked at is accepted: energises the camera's accept output for its pulse, where one is wired. Rejects where
   * it could not be done by `by` (monotonic): the output stays at rest, as it would rise for another part.
   */
  accept?(by: Ms): Promise<void>;
  /** Ends the stream and gives every buffer back; resolves by `by` whatever the hardware does. */
  stop(by: Ms): Promise<void>;
}

/** px of the whole picture. */
export interface Box {
  x: number; // left edge
  y: number; // upper edge
  width: number;
  height: number;
}

/** What the model found in one frame. */
export interface Findings {
  score: number; // calibrated with a recipe; else the method's own
  mapMax: number;
  map: { width: number; height: number; data: Float32Array } | null; // model resolution, row major
  probabilities: { normal: number; anomaly: number } | null;
  provider: string; // execution provider in use, 'cpu' | 'tensorrt' | 'cuda' ...
  /** Of the other recipes kept ready, the one that knows the picture best; scores of whole banks, on one scale. */
  nearest?: { recipe: RecipeRef; score: number; own: number };
  ms: { queue: number; model: number; bank: number };
}

export interface Inspector {
  /** Loads bundle and recipe, proves the provider; a plan of a new id. */
  prepare(signal: AbortSignal): Promise<Plan>;
  /** Judges one frame; rejects with InspectionError when `by` passes, the model throws, gives NaN, or its worker dies. Does not release the frame. */
  inspect(frame: Frame, plan: Plan, by: Ms): Promise<Findings>;
  /** Monotonic ms of the last proof of life of the worker. */
  alive(): Ms;
  stop(by: Ms): Promise<void>;
}

/** What became of an exposure. */
export type Outcome = { kind: 'findings'; findings: Findings } | { kind: 'fault'; code: Code; detail: string };

/** A part under inspection. Closed exactly once. */
export interface Part {
  resultId: string; // 14 characters, unique by construction; key in the log and image name
  seq: number; // 1..2147483647; 0 in free run
  partId: string; // [A-Za-z0-9_.:-]{0,32}
  recipe: RecipeRef;
  opened: Ms; // trigger received (free run, hardware trigger: exposure)
  openedUtc: string;
  clockTrusted: boolean;
  simulated: boolean;
}

export interface Timings {
  startTime: string; // UTC
  endTime: string; // UTC
  acquisitionDuration: number; // ms, trigger to tensor
  processingDuration: number; // ms, tensor to decision
}

/** A decision about a part, not yet logged: no gate may act on it. */
export interface Verdict {
  part: Part;
  evaluation: Evaluation;
  code: Code;
  state: ResultState;
  score: number | null; // calibrated
  limit: number | null;
  frameId: number | null;
  mapMax: number | null;
  probabilities: { normal: number; anomaly: number } | null;
  /** Anomalous regions, strongest first, at most 16; absent where the part is no FAIL and no UNDECIDED. */
  boxes?: readonly Box[];
  provider: string;
  bundle: string; // sha256, hex
  config: string; // sha256, hex
  timings: Timings;
  late: boolean; // the deadline had already been answered with a no
  detail: string; // a sentence for people, '' when ok
  /** What `result` says, fixed before the commit: 1 only if every condition of the contract but the commit and the age holds. */
  released: 0 | 1;
  lot: string;
}

/** The part of a verdict that the rule decides (inspect/verdict.ts). */
export type Judgement = Pick<Verdict, 'evaluation' | 'code' | 'state' | 'released' | 'detail'>;

declare const committed: unique symbol;
/** A verdict that is in the log, with its place there. Only a Log mints one; a pass needs one. */
export interface Committed {
  readonly [committed]: true;
  readonly verdict: Verdict;
  readonly journalSeq: number;
  readonly hash: string; // sha256 of the row, hex
}

/** One message of guaranteed delivery, waiting in the outbox. */
export interface Entry {
  journalSeq: number;
  type: 'verdict' | 'image' | 'event';
  payload: string; // JSON, complete but for isHistorical
}

export interface LogStart {
  lastSeq: number; // last sequence number a verdict or a pending row used; 0 if none
  bootNumber: number; // durable, +1 at each start: resultIds are minted under it
  aborted: number; // pending rows of an earlier run, now closed as Aborted
}

export interface Log {
  start(signal: AbortSignal): Promise<LogStart>;
  /** Pending row: the part exists, and is of this lot, whatever happens next. */
  open(part: Part, lot?: string): Promise<void>;
  /** One transaction: verdict row, outbox row, pending row gone. Resolves after fsync. */
  commit(verdict: Verdict): Promise<Committed>;
  /** A picture written after the verdict has left. */
  image(record: ImageRecord): Promise<void>;
  event(kind: string, detail: string): Promise<void>;
  /** What a used sequence number was answered with, where it is in the log; released 0 where the wire said no in the end. */
  find(seq: number): Promise<Committed | null>;
  backlog(after: number, n: number): Promise<Entry[]>;
  delivered(upTo: number): Promise<void>;
  /** Monotonic ms of the last proof of life of the writer. */
  alive(): Ms;
  stop(by: Ms): Promise<void>;
}

export interface ImageRecord {
  resultId: string;
  name: string; // file name under images/
  kind: 'picture' | 'heatmap';
  sha256: string;
  bytes: number;
}

export type StateName = 'Preoperational' | 'Halted' | 'Error' | 'Operational';
export type SubState = '' | 'Ready' | 'SingleExecution' | 'ContinuousExecution';

/** The station's state as the wire tells it. */
export interface StationState {
  state: StateName;
  sub: SubState;
  ready: 0 | 1;
  code: Code;
  recipeId: number;
  ep: string;
  bundle: string; // first 8 hex digits
  config: string; // first 8 hex digits
  bootId: string;
}

export interface TriggerRequest {
  seq: number;
  partId: string;
  recipeId: number; // 0: the one in force
  received: Ms;
}

/** Everything that leaves towards PLC, HMI and MES. Never queues for actuation. */
export interface Publisher {
  start(signal: AbortSignal): Promise<void>;
  /** Triggers in the order received. `bad` carries the code of an unreadable one; the publisher has not answered it. */
  onTrigger(handler: (request: TriggerRequest | { bad: Code; seq: number }) => void): void;
  ack(seq: number, code: Code): void;
  /** Exposure ended: the part may move. */
  acquired(seq: number): void;
  /** The verdict; ok is worked out here from the committed verdict and its age. Returns what was released, once it is with the socket. */
  result(committed: Committed): { ok: 0 | 1; age: Ms };
  /** A timely no, ahead of (or instead of) a commit: ok 0 by construction. */
  refuse(part: Part, code: Code): void;
  /** The station's state; also decides ready and code on the heartbeat. */
  state(state: StationState): void;
  /** Called each heartbeat period; the counter moves only when it returns true. */
  progress(probe: () => boolean): void;
  /** There is something new in the outbox. */
  drain(): void;
  connected(): boolean;
  stop(by: Ms): Promise<void>;
}

/** Counts since start, as the wire's `stats` tells them; times in ms, trigger to publish, of parts answered by a verdict. */
export interface Stats {
  triggers: number; // refused ones too
  ok: number;
  ng: number;
  undecided: number;
  errors: number;
  timeMin: number;
  timeAvg: number;
  timeMax: number;
  /** How the camera is; absent before there is one. */
  camera?: CameraHealth;
  /** How the line has been going lately; see watch/. */
  watch?: WatchFigures;
}

/** What the watch over the line has found so far. */
export interface WatchFigures {
  rejectsInRow: number;
  sinceReject: number; // parts
  /** Good parts that the control charts have still to learn from; 0: they judge. */
  baselineMissing: number;
  /** Journal records that were removed undelivered, since start. */
  journalDropped: number;
  /** How far good parts are from their baseline by now, in standard deviations of single parts; null: not known yet. */
  drift: Record<'score' | 'brightness' | 'sharpness', number | null>;
}
