/**
 * The recipe format: what a product is, to this station. `recipes/<id>/recipe.json` with `shots/` and `bank.onnx` beside it.
 */
import { z } from 'zod';

export const recipeId = z.string().regex(/^[a-z0-9-]{1,32}$/, 'expected 1 to 32 of a-z, 0-9 and -');
export const symmetries = ['none', 'flips', 'rotations', 'all'] as const;
export type Symmetry = (typeof symmetries)[number];

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hex digits');

const share = z.number().min(0).max(1);
const rectangle = z.tuple([share, share, share, share]).readonly();
const regionRules = z.strictObject({
  include: z.array(rectangle).max(64).readonly(),
  ignore: z.array(rectangle).max(64).readonly(),
  mask: z
    .strictObject({ columns: z.literal(128), rows: z.literal(128), bits: z.string().regex(/^[0-9a-f]{4096}$/, 'expected 4096 hex digits') })
    .nullable(),
  minArea: share,
  top: z.number().int().min(1).max(16),
});

export const recipeSchema = z.strictObject({
  format: z.literal(1),
  id: recipeId,
  number: z.number().int().min(1).max(65535),
  title: z.string().min(1).max(200),
  created: z.string(), // UTC, a label
  revision: z.number().int().positive(), // +1 at each teach or calibrate
  bundle: z.strictObject({ name: z.string(), sha256 }), // manifest hash of the bundle the bank was made with
  symmetry: z.enum(symmetries),
  /** Parts always lie alike: the tolerance of position.ts the bank was made with; absent: a patch may be anywhere. */
  position: z.number().positive().max(1).optional(),
  /** Share of the model's own opinion in the score (mix.ts), and how it was scaled; absent: 0. */
  mix: z
    .strictObject({ output: z.string(), weight: z.number().positive().max(1), power: z.number().positive(), centre: z.number() })
    .optional(),
  shots: z.array(z.strictObject({ file: z.string(), sha256, source: z.string() })),
  /** The second small session: patch distance, whitening and fusion. */
  bank: z.strictObject({ file: z.string(), sha256, bytes: z.number().int().positive(), vectors: z.number().int().positive() }),
  limit: z.strictObject({
    /** Calibrated score: at or below is OK, above is NotOK (grey zone aside). */
    value: z.number().positive(),
    /** Parts with |score - value| <= grey are NotDecidable. */
    grey: z.number().nonnegative(),
    /** The promise the limit was set for: at most this share of good parts rejected. */
    falseReject: z.number().positive().max(0.5),
    provisional: z.boolean(), // the good parts shown cannot support the promise
    goodParts: z.number().int().nonnegative(), // held-out good parts that were scored
    goodPartsNeeded: z.number().int().positive(), // how many the promise needs (95 %)
    rule: z.string(), // one sentence for people
    /** Limit samples (the worst parts still accepted) that the limit was raised for, if any. */
    limitSamples: z.number().int().nonnegative().optional(),
    /** Known-bad parts: how many were not rejected, and the share of bad parts that may escape at most (95 %). */
    escape: z
      .strictObject({ bad: z.number().int().positive(), escaped: z.number().int().nonnegative(), bound: z.number().min(0).max(1) })
      .optional(),
  }),
  /** The logits behind the model's class probabilities are divided by this wherever they are shown (temperature.ts); absent: 1. */
  temperature: z.number().min(0.05).max(20).optional(),
  /** Where a defect counts, how large it must be, how many; absent: the bank's own score. See inspect/regions.ts. */
  regions: regionRules.optional(),
  /** Figures of the shots' pictures, the quality gate's reference. */
  reference: z.strictObject({ mean: z.number(), sharpness: z.number() }),
  /** Camera values read back at teach (SFNC names); empty where the pictures came from files. */
  camera: z.record(z.string(), z.union([z.number(), z.string()])),
});

export type RecipeFile = z.infer<typeof recipeSchema>;

/** A recipe whose files have been checked against their hashes. */
export interface Recipe {
  dir: string; // absolute
  file: RecipeFile;
  bankPath: string; // absolute
}
