/**
 * The bundle format: a directory with `manifest.json` and `model.onnx`. The manifest is the only thing read before every hash
 * in it has been checked. Shapes: input `image` float32 [1,3,height,width]; outputs as named below, all static.
 */
import { z } from 'zod';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hex digits');
const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'expected a plain file name inside the bundle');

/** Shown on terminals: nothing in it may steer one. */
const printable = z.string().regex(/^\P{Cc}*$/u, 'expected text without control characters');

export const methods = ['anomalyclip', 'winclip', 'april-gan', 'sowa', 'clip', 'anovl', 'texture', 'imported'] as const;

export const manifestSchema = z.strictObject({
  format: z.literal(1),
  name: printable.min(1).max(100),
  version: z.string().regex(/^\d+\.\d+\.\d+$/, 'expected three numbers, as 1.0.0'),
  method: z.enum(methods),
  kind: z.enum(['clip', 'texture', 'imported']),
  /** Said wherever the bundle is shown; true for the committed default, which is no AD-CLIP. */
  bootstrap: z.boolean(),
  /** Every file of the bundle but the manifest itself. */
  files: z.record(fileName, z.strictObject({ sha256, bytes: z.number().int().positive() })),
  input: z.strictObject({
    name: z.string().min(1),
    width: z.number().int().min(8).max(4096),
    height: z.number().int().min(8).max(4096),
    resize: z.literal('bicubic'),
    fit: z.literal('squash'),
    mean: z.tuple([z.number(), z.number(), z.number()]),
    std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]),
  }),
  outputs: z.strictObject({
    score: z.string().min(1), // float32 [1], the method's own score: of CLIP methods the authors' probability of "anomalous"
    /** float32 [1], where there is one: the same order as `score`, but it does not saturate (difference of the two class logits). */
    logit: z.string().min(1).optional(),
    map: z.string().min(1), // float32 [1,H,W] at model resolution
    /** float32 [1,2] (normal, anomaly), where the method gives class probabilities. */
    probabilities: z.string().min(1).nullable(),
  }),
  /** Patch tokens for memory banks, one entry a tap: float32 [1,rows*columns,dim]. */
  taps: z.array(
    z.strictObject({
      name: z.string().min(1),
      rows: z.number().int().positive(),
      columns: z.number().int().positive(),
      dim: z.number().int().positive(),
    }),
  ),
  /** Settings of the method that went into the graph, for people and for `model inspect`. */
  settings: z.record(printable, z.union([printable, z.number(), z.boolean(), z.array(z.number())])),
  /** What it was made from. */
  sources: z.array(z.strictObject({ name: printable, sha256 })),
  /** A picture in the bundle whose score is known; run on the provider in use before any part is judged. */
  golden: z.strictObject({ image: fileName, score: z.number(), tolerance: z.number().positive() }),
});

export type Manifest = z.infer<typeof manifestSchema>;

/** A bundle whose manifest and hashes have been checked. */
export interface Bundle {
  dir: string; // absolute
  manifest: Manifest;
  modelPath: string; // absolute path of model.onnx
  goldenPath: string; // absolute path of the golden image
  sha256: string; // of manifest.json: it names every other hash, so it stands for the bundle
}
