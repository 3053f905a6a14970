/**
 * The configuration of a GenICam camera as data, and the one routine that applies it: each feature is looked up, checked against what
 * the camera offers now, written, and read back. Which features, in which order, is steps.ts.
 */
import { reason, VerdictdError } from '../errors';
import type { BackendFailure, Feature, NativeCamera } from '../native';

export type FeatureValue = boolean | number | string;

/** One step. `max`: the largest value the camera offers now; `text`: a value of whatever kind the feature is. */
export interface Step {
  node: string;
  /** What cameras made before the present SFNC call it. */
  older?: string;
  value: FeatureValue | { max: true } | { text: string };
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
  const message = `The camera does not take ${node} ${String(wanted)}: ${why}.${has} Change the camera's section of the configuration, or the recipe; \`verdictd camera features\` shows what it offers.`;
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

/** The feature under the first of its names that the camera knows; null where there is none and it need not be. */
async function look(camera: Features, { node, older, value, need }: Step): Promise<{ node: string; before: Feature } | null> {
  try {
    return { node, before: await camera.get(node) };
  } catch (thrown) {
    const cause = causeOf(thrown);
    if (older !== undefined && cause === 'missing') return await look(camera, { node: older, value, need });
    if (need !== 'always' && absent.has(cause)) return null;
    if (refusals.has(cause)) throw refuse(node, typeof value === 'object' ? Object.values(value)[0] : value, textOf(thrown), null);
    throw thrown;
  }
}

/** What is to be written: as it stands, the largest there is, or text as a value of the feature's kind. */
function wantedOf(value: Step['value'], { max, value: now }: Feature): FeatureValue {
  if (typeof value !== 'object') return value;
  if ('max' in value) return max ?? 0;
  const { text } = value;
  if (typeof now === 'number' && text.trim() !== '' && Number.isFinite(Number(text))) return Number(text);
  return typeof now === 'boolean' && /^(true|false)$/.test(text) ? text === 'true' : text;
}

async function applyOne(camera: Features, step: Step): Promise<Applied | null> {
  const { need } = step;
  const found = await look(camera, step);
  if (found === null) return null;
  const { node, before } = found;
  let wanted = wantedOf(step.value, before);
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
