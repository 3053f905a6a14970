/** Which SFNC features a camera is set up with, in the order in which they must be applied. */
import type { CameraValues, PixelFormat } from '../ports';
import type { Command, Step } from './features';

/** Settings of any GenICam camera: SFNC names and units. What changes with the product comes with the recipe. */
export interface StandardSettings {
  UserSetSelector: string | null; // null: what the camera holds stays where nothing below says otherwise
  ExposureTime: number; // us
  Gain: number; // dB
  BalanceRatioRed: number | null; // gain relative to green; null: the user set's
  BalanceRatioBlue: number | null;
  PixelFormat: PixelFormat | null; // null: the user set's
  Width: number | null; // px; null: all there are
  Height: number | null;
  OffsetX: number; // px
  OffsetY: number;
  BinningHorizontal: number;
  BinningVertical: number;
  ReverseX: boolean;
  ReverseY: boolean;
  AcquisitionFrameRate: number | null; // Hz, of free run; null: the camera's own
  TriggerSource: string | null; // null: software trigger, or free run
  TriggerActivation: 'RisingEdge' | 'FallingEdge';
  TriggerDelay: number; // us; 0: the camera's least
  DeviceLinkThroughputLimit: number | null; // bytes/s; null: the user set's
  strobeLine: string | null;
  acceptLine: string | null;
}

type InputLine = 'Line0' | 'Line2' | 'Line3';
type OutputLine = 'Line1' | 'Line2';

/** Settings of a FLIR camera: its lines, and what it has beside the standard. */
export interface CameraSettings extends StandardSettings {
  UserSetSelector: 'Default' | 'UserSet0' | 'UserSet1';
  PixelFormat: PixelFormat;
  TriggerSource: InputLine | null;
  LineFilterWidth: number; // us of debounce on the trigger's line; 0: none
  StreamBufferCountManual: number;
  strobeLine: OutputLine | null;
  acceptLine: OutputLine | null;
}

/** How exposures come about. `line`: the trigger input does it. */
export type Pace = 'software' | 'line' | 'free';

/** How the exposures of these options come about. */
export function paceOf({ settings, triggered }: { settings: Pick<StandardSettings, 'TriggerSource'>; triggered: boolean }): Pace {
  if (settings.TriggerSource !== null) return 'line';
  return triggered ? 'software' : 'free';
}

/** The user output that drives the accept line. */
export const acceptOutput = 'UserOutput1';

/** Chunks that each frame carries, as ChunkSelector names them. */
const chunks = ['FrameID', 'Timestamp', 'ExposureTime', 'Gain'] as const;

type Need = Step['need'];
type Wanted = StandardSettings;

/** A list of steps in the making. `ours`: how much depends on values that nobody asked for, and that every camera has or does without. */
class Steps {
  readonly list: (Step | Command)[] = [];
  constructor(readonly ours: Need) {}

  set(node: string, value: Step['value'], need: Need = 'always', more: Pick<Step, 'older' | 'snap'> = {}): void {
    this.list.push({ node, value, need, ...more });
  }
  command(command: string, need: Command['need']): void {
    this.list.push({ command, need });
  }

  /** The trigger off, as its features are locked otherwise. */
  rest(): void {
    this.set('TriggerSelector', 'FrameStart', this.ours);
    this.set('TriggerMode', 'Off', this.ours);
    this.set('AcquisitionMode', 'Continuous', this.ours);
  }

  /** Offsets before sizes, and sizes before offsets. */
  geometry(of: Wanted): void {
    this.set('BinningSelector', 'All', 'ifWritable');
    const plain = of.BinningHorizontal === 1 && of.BinningVertical === 1;
    this.set('BinningHorizontal', of.BinningHorizontal, of.BinningHorizontal === 1 ? 'ifThere' : 'always');
    this.set('BinningVertical', of.BinningVertical, of.BinningVertical === 1 ? 'ifThere' : 'always');
    if (!plain) {
      this.set('BinningHorizontalMode', 'Average', 'ifWritable');
      this.set('BinningVerticalMode', 'Average', 'ifWritable');
    }
    this.set('OffsetX', 0, this.ours);
    this.set('OffsetY', 0, this.ours);
    this.set('Width', of.Width ?? { max: true });
    this.set('Height', of.Height ?? { max: true });
    this.set('OffsetX', of.OffsetX, of.OffsetX === 0 ? this.ours : 'always');
    this.set('OffsetY', of.OffsetY, of.OffsetY === 0 ? this.ours : 'always');
    this.set('ReverseX', of.ReverseX, of.ReverseX ? 'always' : 'ifThere');
    this.set('ReverseY', of.ReverseY, of.ReverseY ? 'always' : 'ifThere');
    if (of.PixelFormat === null) return;
    if (!/^(RGB|BGR)/.test(of.PixelFormat)) this.set('IspEnable', false, 'ifWritable');
    this.set('PixelFormat', of.PixelFormat);
  }

  /** Automatics off before what they drive. */
  picture(of: Wanted): void {
    this.set('ExposureMode', 'Timed', 'ifWritable');
    this.set('ExposureAuto', 'Off', 'ifThere');
    this.set('AcquisitionFrameRateEnable', false, 'ifWritable'); // a rate in force bounds the exposure
    this.set('ExposureTime', of.ExposureTime, 'always', { older: 'ExposureTimeAbs' });
    this.set('GainSelector', 'All', 'ifWritable');
    this.set('GainAuto', 'Off', 'ifThere');
    this.set('Gain', of.Gain, of.Gain === 0 ? this.ours : 'always');
    for (const node of ['GammaEnable', 'SharpeningEnable', 'SaturationEnable', 'LUTEnable', 'ColorTransformationEnable']) {
      this.set(node, false, 'ifWritable');
    }
    this.set('BalanceWhiteAuto', 'Off', 'ifThere');
    for (const [colour, ratio] of [
      ['Red', of.BalanceRatioRed],
      ['Blue', of.BalanceRatioBlue],
    ] as const) {
      if (ratio === null) continue;
      this.set('BalanceRatioSelector', colour);
      this.set('BalanceRatio', ratio);
    }
  }

  rate(of: Wanted, pace: Pace): void {
    if (of.DeviceLinkThroughputLimit !== null) {
      this.set('DeviceLinkThroughputLimit', of.DeviceLinkThroughputLimit, 'always', { snap: true });
    }
    if (pace !== 'free' || of.AcquisitionFrameRate === null) return;
    this.set('AcquisitionFrameRateEnable', true, this.ours);
    this.set('AcquisitionFrameRate', of.AcquisitionFrameRate, 'always', { older: 'AcquisitionFrameRateAbs' });
  }

  outputs(of: Wanted): void {
    if (of.strobeLine !== null) {
      this.set('LineSelector', of.strobeLine);
      this.set('LineMode', 'Output', 'ifWritable');
      this.set('LineInverter', false, 'ifThere');
      this.set('LineSource', 'ExposureActive');
    }
    if (of.acceptLine !== null) {
      // At rest before the line listens to it.
      this.set('UserOutputSelector', acceptOutput);
      this.set('UserOutputValue', false);
      this.set('LineSelector', of.acceptLine);
      this.set('LineMode', 'Output', 'ifWritable');
      this.set('LineInverter', false, 'ifThere');
      this.set('LineSource', acceptOutput);
    }
  }

  input(of: Wanted, line: string, debounce: number): void {
    this.set('LineSelector', line, this.ours);
    this.set('LineMode', 'Input', 'ifWritable');
    if (debounce > 0) {
      this.set('LineInputFilterSelector', 'Debounce');
      this.set('LineFilterWidth', debounce);
    }
    // Edges are counted beside the frames: the difference is triggers that were missed.
    this.set('CounterSelector', 'Counter0', 'ifThere');
    this.set('CounterEventSource', line, 'ifThere');
    this.set('CounterEventActivation', of.TriggerActivation, 'ifThere');
  }

  /** Last of all. */
  trigger(of: Wanted, pace: Pace, line: string): void {
    if (pace === 'free') return;
    this.set('TriggerSource', pace === 'line' ? line : 'Software');
    if (pace === 'line') {
      this.set('TriggerActivation', of.TriggerActivation);
      if (of.TriggerDelay > 0) this.set('TriggerDelay', of.TriggerDelay, 'always', { older: 'TriggerDelayAbs' });
    }
    this.set('TriggerOverlap', 'ReadOut', this.ours === 'always' ? 'ifThere' : 'ifWritable');
    this.set('TriggerMode', 'On');
  }
}

/** Every step of a FLIR camera over the Spinnaker library, in order: a known state first, the trigger on last. */
export function stepsOf(settings: CameraSettings, recipe: CameraValues, pace: Pace): (Step | Command)[] {
  const of = { ...settings, ...recipe };
  const line = of.TriggerSource ?? 'Line0';
  const steps = new Steps('always');
  steps.set('UserSetSelector', of.UserSetSelector);
  steps.command('UserSetLoad', 'always');
  steps.rest();
  steps.geometry(of);
  steps.picture(of);
  steps.rate(of, pace);

  steps.set('StreamBufferCountMode', 'Manual', 'ifThere');
  steps.set('StreamBufferCountManual', of.StreamBufferCountManual);
  // One trigger, one part, one verdict: no frame may take the place of another. A live view wants the newest.
  steps.set('StreamBufferHandlingMode', pace === 'free' ? 'NewestOnly' : 'OldestFirst');

  steps.set('ChunkModeActive', true);
  for (const chunk of chunks) {
    steps.set('ChunkSelector', chunk);
    steps.set('ChunkEnable', true);
  }
  steps.outputs(of);
  if (pace === 'line') steps.input(of, line, of.LineFilterWidth);
  steps.trigger(of, pace, line);
  return steps.list;
}

/**
 * Every step of a camera of any make. What nobody asked for is set where the camera has it; what was asked for it must take.
 * `features`: `NAME=VALUE`, or the name of a command, applied in this order before the trigger is switched on.
 */
export function standardSteps(
  settings: StandardSettings,
  features: readonly string[],
  recipe: CameraValues,
  pace: Pace,
): (Step | Command)[] {
  const of = { ...settings, ...recipe };
  const line = of.TriggerSource ?? 'Line0';
  const steps = new Steps('ifWritable');
  if (of.UserSetSelector !== null) {
    // Cameras without user sets have one state to begin with.
    const need = of.UserSetSelector === 'Default' ? 'ifThere' : 'always';
    steps.set('UserSetSelector', of.UserSetSelector, need);
    steps.command('UserSetLoad', need);
  }
  steps.rest();
  steps.geometry(of);
  steps.picture(of);
  steps.rate(of, pace);
  steps.outputs(of);
  if (pace === 'line') steps.input(of, line, 0);
  for (const one of features) {
    const [name, value] = [one.replace(/=.*$/s, ''), one.slice(one.indexOf('=') + 1)];
    if (one.includes('=')) steps.set(name, { text: value });
    else steps.command(name, 'always');
  }
  steps.trigger(of, pace, line);
  return steps.list;
}
