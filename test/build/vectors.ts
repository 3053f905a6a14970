/** Reference vectors beside the checkout, where there are any. See their README for the formulas. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const { imul } = Math; // a global is slow to reach inside jest
const folder = join(__dirname, '../../../shared/vectors');
export const haveVectors = existsSync(folder);
/** `test`, or a skipped test that says why. */
export const testWithVectors: jest.It = haveVectors ? test : test.skip;
if (!haveVectors) console.log('skipped: no reference vectors at ../shared/vectors');

export const vector = (name: string): string => join(folder, name);
export const unpacked = (name: string): Buffer => gunzipSync(readFileSync(vector(name)));

/** The formula weight at flat index `i` of the tensor called `name`, before `offset` and `scale`: in [-1, 1). */
export function counterHash(name: string): (i: number) => number {
  let h = 0x811c9dc5;
  for (const byte of Buffer.from(name)) h = imul(h ^ byte, 0x01000193);
  return (i) => {
    let x = (h + imul(i, 0x9e3779b9)) | 0;
    x = imul(x ^ (x >>> 16), 0x85ebca6b);
    x = imul(x ^ (x >>> 13), 0xc2b2ae35);
    return ((x ^ (x >>> 16)) >>> 0) / 2 ** 31 - 1;
  };
}

/** Offset and scale of a CLIP weight by its OpenAI name (vectors' README, "Weight formula"; first match). */
export function formulaOf(name: string, shape: readonly number[]): { offset: number; scale: number } {
  const last = shape.at(-1) ?? 1;
  const rules: [RegExp, number, number][] = [
    [/^logit_scale$/, Math.log(1 / 0.07), 0],
    [/\.?ln_(\w+)\.weight$/, 1, 0.2],
    [/ln_\w+\.bias$/, 0, 0.1],
    [/(\.bias|in_proj_bias)$/, 0, 0.05],
    [/^token_embedding\.weight$/, 0, 0.5],
    [/^positional_embedding$/, 0, 0.3],
    [/^visual\.positional_embedding$/, 0, 1],
    [/^visual\.class_embedding$/, 0, 1],
    [/^visual\.conv1\.weight$/, 0, 3 / Math.sqrt(3 * last * last)],
    [/in_proj_weight$/, 0, 3 / Math.sqrt(last)],
    [/^(visual\.proj|text_projection)$/, 0, 1.7 / Math.sqrt(shape[0] ?? 1)],
    [/^/, 0, 1.7 / Math.sqrt(last)],
  ];
  const [, offset = 0, scale = 0] = rules.find(([pattern]) => pattern.test(name)) ?? [];
  return { offset, scale };
}
