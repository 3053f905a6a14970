/** What the methods are given and what they give back. One file a method beside this one. */
import type { Manifest } from '../bundle/manifest';
import { VerdictdError } from '../errors';
import type { Graph } from '../onnx/graph';
import type { Checkpoint } from './checkpoint';
import type { ClipWeights } from './clip_names';
import type { Interpolation } from './positions';
import type { TextTower } from './text';
import type { Tokenizer } from './tokenizer';
import type { Vision } from './visual';
import type { Precision } from './weights';

export interface MethodOptions {
  imageSize: number | null; // px; null: the authors' own
  dpamLayer: number | null;
  featuresList: readonly number[] | null;
  object: string | null;
  texture: boolean; // the object is a surface without a shape of its own
  featureSurgery: boolean; // the map without what both texts have in common (CLIP Surgery)
  mapScale: number;
}

export interface MethodInput {
  clip: ClipWeights;
  clipPath: string;
  adapter: Checkpoint | null;
  tokenizer: Tokenizer | null;
  text: TextTower;
  options: MethodOptions;
  warn(sentence: string): void;
}

/** A method with its text features worked out; `graph` can be asked for in every precision. */
export interface Composed {
  size: number; // px
  /** Factor on the cosines in front of the softmax of the score: how far rounding reaches into it. */
  scale: number;
  graph(precision: Precision): Graph;
  taps: Manifest['taps'];
  settings: Manifest['settings'];
}

export const methodNames = ['anomalyclip', 'winclip', 'april-gan', 'sowa', 'clip', 'anovl'] as const;
export type MethodName = (typeof methodNames)[number];
export type Method = (input: MethodInput) => Promise<Composed>;

export function usage(what: string): never {
  throw new VerdictdError('USAGE', what);
}

/** The vision tower for a picture of `size` px. Throws USAGE for one that gives no or an absurd number of patches. */
export function visionOf({ clip }: MethodInput, size: number, interpolation: Interpolation): Vision {
  const { visual } = clip.config;
  const grid = Math.floor(size / visual.patch);
  if (!Number.isSafeInteger(size) || grid < 1 || grid > 128)
    usage(
      `--image-size ${size} gives a grid of ${grid} patches of ${visual.patch} px; expected 1 to 128, for example ${visual.imageSize}.`,
    );
  return { config: visual, activation: clip.activation.value, size, interpolation };
}

/** Blocks of the features list that this tower has; those it does not have never fire in the authors' code either, and are named. */
export function blocksOf({ clip, options, warn }: MethodInput, fallback: readonly number[]): number[] {
  const { layers } = clip.config.visual;
  const asked = [...new Set(options.featuresList ?? fallback)].sort((a, b) => a - b);
  const there = asked.filter((block) => block >= 1 && block <= layers);
  const beyond = asked.filter((block) => !there.includes(block));
  if (there.length === 0) usage(`--features-list ${asked.join(',')} names no block of this model; it has the blocks 1 to ${layers}.`);
  if (beyond.length > 0)
    warn(`the model has ${layers} blocks: ${beyond.join(', ')} of the features list are left out, as in the authors' code`);
  return there;
}

/** Blocks at the quarters of the tower: 6, 12, 18, 24 of 24. */
export const quarters = (layers: number): number[] => [1, 2, 3, 4].map((q) => Math.max(1, Math.round((q * layers) / 4)));

export function adapterOf({ adapter }: MethodInput, method: string, what: string): Checkpoint {
  return adapter ?? usage(`--method ${method} needs --adapter FILE: ${what}.`);
}

export const temperature = 0.07;
