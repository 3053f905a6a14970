/**
 * The configuration of a GenICam camera as data: SFNC features in the order in which they must be applied, and the one routine
 * that applies them. Each is looked up, checked against what the camera offers now, written, and read back.
 */
import { reason, VerdictdError } from '../errors';
import type { BackendFailure, Feature, NativeCamera } from '../native';
import type { CameraValues, PixelFormat } from '../ports';

export type FeatureValue = boolean | number | string;

/** One step. `max`: the largest value the camera offers now. */
export interface Step {
  node: string;
  value: FeatureValue | { max: true };
  /** `always`: the camera must take it. `ifThere`: skipped where the camera has no such feature, or not as it is set now. */
  need: 'always' | 'ifThere' | 'ifWritable';
  /** Rounded down to the camera's step, where any near value does. */
  snap?: boolean;
}
export interface Command {
  command: string;
  need: 'always' | 'ifThere';
}

/** What a step came to. */
export interface Applied {
  node: string;
  wanted: FeatureValue;
  got: FeatureValue;
  unit: string;
}

type InputLine = 'Line0' | 'Line2' | 'Line3';
type OutputLine = 'Line1' | 'Line2';

/** Settings of the wiring and of the link: SFNC names and units. What changes with the product comes with the recipe. */
export interface CameraSettings {
  UserSetSelector: 'Default' | 'UserSet0' | 'UserSet1';
  ExposureTime: number; // us
  Gain: number; // dB
  BalanceRatioRed: number | null; // gain relative to green; null: the user set's
  BalanceRatioBlue: number | null;
  PixelFormat: PixelFormat;
  Width: number | null; // px; null: all there are
  Height: number | null;
  OffsetX: number; // px
  OffsetY: number;
  BinningHorizontal: number;
  BinningVertical: number;
  ReverseX: boolean;
  ReverseY: boolean;
  AcquisitionFrameRate: number | null; // Hz, of free run; null: as fast as the link carries
  TriggerSource: InputLine | null; // null: software trigger, or free run
  TriggerActivation: 'RisingEdge' | 'FallingEdge';
  TriggerDelay: number; // us; 0: the camera's least
  LineFilterWidth: number; // us of debounce on the trigger's line; 0: none
  DeviceLinkThroughputLimit: number | null; // bytes/s; null: the user set's
  StreamBufferCountManual: number;
  strobeLine: OutputLine | null;
  acceptLine: OutputLine | null;
}

/** How exposures come about. `line`: the trigger input does it. */
export type Pace = 'software' | 'line' | 'free';

/** The user output that drives the accept line. */
export const acceptOutput = 'UserOutput1';

/** Chunks that each frame carries, as ChunkSelector names them. */
const chunks = ['FrameID', 'Timestamp', 'ExposureTime', 'Gain'] as const;

/**
 * Every step, in order: a known state first; the trigger off, as its features are locked otherwise; offsets before sizes and
 * sizes before offsets; automatics off before what they drive; the trigger on last.
 */
export function stepsOf(settings: CameraSettings, recipe: CameraValues, pace: Pace): (Step | Command)[] {
  const of = { ...settings, ...recipe };
  const steps: (Step | Command)[] = [];
  const set = (node: string, value: Step['value'], need: Step['need'] = 'always', snap = false): void => {
    steps.push({ node, value, need, ...(snap ? { snap } : {}) });
  };

  set('UserSetSelector', of.UserSetSelector);
  steps.push({ command: 'UserSetLoad', need: 'always' });
  set('TriggerSelector', 'FrameStart');
  set('TriggerMode', 'Off');
  set('AcquisitionMode', 'Continuous');

  set('BinningSelector', 'All', 'ifWritable');
  const plain = of.BinningHorizontal === 1 && of.BinningVertical === 1;
  set('BinningHorizontal', of.BinningHorizontal, of.BinningHorizontal === 1 ? 'ifThere' : 'always');
  set('BinningVertical', of.BinningVertical, of.BinningVertical === 1 ? 'ifThere' : 'always');
  if (!plain) {
    set('BinningHorizontalMode', 'Average', 'ifWritable');
    set('BinningVerticalMode', 'Average', 'ifWritable');
  }
  set('OffsetX', 0);
  set('OffsetY', 0);
  set('Width', of.Width ?? { max: true });
  set('Height', of.Height ?? { max: true });
  set('OffsetX', of.OffsetX);
  set('OffsetY', of.OffsetY);
  set('ReverseX', of.ReverseX, of.ReverseX ? 'always' : 'ifThere');
  set('ReverseY', of.ReverseY, of.ReverseY ? 'always' : 'ifThere');
  if (!/^(RGB|BGR)/.test(of.PixelFormat)) set('IspEnable', false, 'ifWritable');
  set('PixelFormat', of.PixelFormat);

  set('ExposureMode', 'Timed', 'ifWritable');
  set('ExposureAuto', 'Off', 'ifThere');
  set('AcquisitionFrameRateEnable', false, 'ifWritable'); // a rate in force bounds the exposure
  set('ExposureTime', of.ExposureTime);
  set('GainSelector', 'All', 'ifWritable');
  set('GainAuto', 'Off', 'ifThere');
  set('Gain', of.Gain);
  for (const node of ['GammaEnable', 'SharpeningEnable', 'SaturationEnable', 'LUTEnable', 'ColorTransformationEnable']) {
    set(node, false, 'ifWritable');
  }
  set('BalanceWhiteAuto', 'Off', 'ifThere');
  for (const [colour, ratio] of [
    ['Red', of.BalanceRatioRed],
    ['Blue', of.BalanceRatioBlue],
  ] as const) {
    if (ratio == null) continue;
    set('BalanceRatioSelector', colour);
    set('BalanceRatio', ratio);
  }
  if (of.DeviceLinkThroughputLimit !== null) set('DeviceLinkThroughputLimit', of.DeviceLinkThroughputLimit, 'always', true);
  if (pace === 'free' && of.AcquisitionFrameRate !== null) {
    set('AcquisitionFrameRateEnable', true);
    set('AcquisitionFrameRate', of.AcquisitionFrameRate);
  }

  set('StreamBufferCountMode', 'Manual', 'ifThere');
  set('StreamBufferCountManual', of.StreamBufferCountManual);
  // One trigger, one part, one verdict: no frame may take the place of another. A live view wants the newest.
  set('StreamBufferHandlingMode', pace === 'free' ? 'NewestOnly' : 'OldestFirst');

  set('ChunkModeActive', true);
  for (const chunk of chunks) {
    set('ChunkSelector', chunk);
    set('ChunkEnable', true);
  }

  if (of.strobeLine !== null) {
    set('LineSelector', of.strobeLine);
    set('LineMode', 'Output', 'ifWritable');
    set('LineInverter', false, 'ifThere');
    set('LineSource', 'ExposureActive');
  }
  if (of.acceptLine !== null) {
    // At rest before the line listens to it.
    set('UserOutputSelector', acceptOutput);
    set('UserOutputValue', false);
    set('LineSelector', of.acceptLine);
    set('LineMode', 'Output', 'ifWritable');
    set('LineInverter', false, 'ifThere');
    set('LineSource', acceptOutput);
  }
  if (pace === 'line') {
    const line = of.TriggerSource ?? 'Line0';
    set('LineSelector', line);
    set('LineMode', 'Input', 'ifWritable');
    if (of.LineFilterWidth > 0) {
      set('LineInputFilterSelector', 'Debounce');
      set('LineFilterWidth', of.LineFilterWidth);
    }
    // Edges are counted beside the frames: the difference is triggers that were missed.
    set('CounterSelector', 'Counter0', 'ifThere');
    set('CounterEventSource', line, 'ifThere');
    set('CounterEventActivation', of.TriggerActivation, 'ifThere');
  }
  if (pace !== 'free') {
    set('TriggerSource', pace === 'line' ? (of.TriggerSource ?? 'Line0') : 'Software');
    if (pace === 'line') {
      set('TriggerActivation', of.TriggerActivation);
      if (of.TriggerDelay > 0) set('TriggerDelay', of.TriggerDelay);
    }
    set('TriggerOverlap', 'ReadOut', 'ifThere');
    set('TriggerMode', 'On');
  }
  return steps;
}

/** The part of a native camera that has features. */
export type Features = Pick<NativeCamera, 'get' | 'set' | 'execute'>;

/** Largest share by which a real feature may come back different: cameras count in steps of their own. */
const tolerance = 0.01;

/** What a rejected command of the native camera carries; null for anything else thrown. */
export function failureOf(thrown: unknown): BackendFailure | null {
  const { cause, message } = (thrown ?? {}) as Partial<BackendFailure>;
  return typeof cause === 'string' && typeof message === 'string' ? (thrown as BackendFailure) : null;
}

/** The cause of a rejected command of the native camera; '' for anything else. */
export function causeOf(thrown: unknown): string {
  return failureOf(thrown)?.cause ?? '';
}

/** Its text. */
function textOf(thrown: unknown): string {
  return failureOf(thrown)?.message ?? reason(thrown);
}

const absent = new Set(['missing', 'unavailable']);
/** What the camera answers when it understood and will not. */
const refusals = new Set(['missing', 'unavailable', 'readOnly', 'refused']);

/** "1 to 4096 in steps of 16 px", "one of Off, Once". */
export function rangeOf(feature: Feature): string {
  if (feature.entries.length > 0) return `one of ${feature.entries.join(', ')}`;
  if (typeof feature.value === 'boolean') return 'true or false';
  if (feature.min === null || feature.max === null) return 'text';
  const step = feature.increment !== null && feature.increment !== 1 ? ` in steps of ${feature.increment}` : '';
  return `${feature.min} to ${feature.max}${step}${feature.unit === '' ? '' : ` ${feature.unit}`}`;
}

/** CAMERA_CONFIG with node, wanted value, what the camera has, and what it would take. */
function refuse(node: string, wanted: unknown, why: string, feature: Feature | null): VerdictdError {
  const has = feature === null ? '' : ` It is ${String(feature.value)}; the camera takes ${rangeOf(feature)}.`;
  const message = `The camera does not take ${node} ${String(wanted)}: ${why}.${has} Change camera.spinnaker or the recipe; \`verdictd camera features\` shows what it offers.`;
  return new VerdictdError('CAMERA_CONFIG', message, {
    details: feature === null ? [] : [`${node}: wanted ${String(wanted)}, got ${String(feature.value)}, range ${rangeOf(feature)}`],
  });
}

/** Why `value` is outside of what the feature takes, or null. */
function outside(feature: Feature, value: FeatureValue): string | null {
  if (typeof feature.value !== typeof value) return `it takes ${rangeOf(feature)}`;
  if (typeof value === 'number') {
    const { min, max, increment } = feature;
    if ((min !== null && value < min) || (max !== null && value > max)) return 'it is out of range';
    if (increment !== null && min !== null && (value - min) % increment !== 0) return `it is not on the camera's steps`;
  }
  return typeof value === 'string' && feature.entries.length > 0 && !feature.entries.includes(value) ? 'there is no such entry' : null;
}

function same(wanted: FeatureValue, got: Feature): boolean {
  if (typeof wanted !== 'number' || typeof got.value !== 'number' || got.increment !== null) return wanted === got.value;
  return Math.abs(got.value - wanted) <= Math.max(Math.abs(wanted) * tolerance, 1e-9);
}

async function look(camera: Features, { node, value, need }: Step): Promise<Feature | null> {
  try {
    return await camera.get(node);
  } catch (thrown) {
    if (need !== 'always' && absent.has(causeOf(thrown))) return null;
    if (refusals.has(causeOf(thrown))) throw refuse(node, JSON.stringify(value), textOf(thrown), null);
    throw thrown;
  }
}

async function applyOne(camera: Features, step: Step): Promise<Applied | null> {
  const { node, need } = step;
  const before = await look(camera, step);
  if (before === null) return null;
  let wanted: FeatureValue = typeof step.value === 'object' ? (before.max ?? 0) : step.value;
  if (step.snap === true && typeof wanted === 'number' && before.increment !== null && before.min !== null && wanted >= before.min) {
    wanted -= (wanted - before.min) % before.increment;
  }
  if (!before.writable) {
    if (same(wanted, before) || need === 'ifWritable') return { node, wanted, got: before.value, unit: before.unit };
    throw refuse(node, wanted, 'it cannot be written as the camera is set now', before);
  }
  const why = outside(before, wanted);
  if (why !== null) {
    if (need === 'ifWritable') return null;
    throw refuse(node, wanted, why, before);
  }
  let got: Feature;
  try {
    got = await camera.set(node, wanted);
  } catch (thrown) {
    if (refusals.has(causeOf(thrown))) throw refuse(node, wanted, textOf(thrown), before);
    throw thrown;
  }
  if (!same(wanted, got)) throw refuse(node, wanted, `it was written, and reads ${String(got.value)} afterwards`, got);
  return { node, wanted, got: got.value, unit: got.unit };
}

/**
 * Applies the steps in order; the camera must not stream. Rejects with CAMERA_CONFIG at the first that the camera does not take
 * (node, wanted, got, range), with ABORTED when `signal` aborts, and with what the native side throws for a camera that is lost.
 */
export async function applySteps(camera: Features, steps: readonly (Step | Command)[], signal: AbortSignal): Promise<Applied[]> {
  const applied: Applied[] = [];
  for (const step of steps) {
    if (signal.aborted) throw new VerdictdError('ABORTED', 'The camera was stopped while it was being set up.');
    if ('command' in step) {
      try {
        await camera.execute(step.command);
      } catch (thrown) {
        if (!refusals.has(causeOf(thrown))) throw thrown;
        if (step.need === 'always') throw refuse(step.command, '', textOf(thrown), null);
      }
    } else {
      const one = await applyOne(camera, step);
      if (one !== null) applied.push(one);
    }
  }
  return applied;
}

/** Those whose value read back is not the one written: rounded by the camera. */
export function differences(applied: readonly Applied[]): Applied[] {
  return applied.filter(({ wanted, got }) => wanted !== got);
}
