/**
 * The vocabulary of the schema: a key is a type with its default, unit and description in one place. Everything else (checks,
 * messages, docs/config.md, config/verdictd.yaml, names of environment variables) is worked out from here.
 */
import { z } from 'zod';

export interface About {
  description: string; // a sentence or two, no final full stop needed
  unit?: string; // of a number, as people write it: ms, px, us
  /** What is expected, in words, where the type alone does not say it (patterns). */
  expected?: string;
}

/** One key. `fallback` is its default. */
export function key<T extends z.ZodType>(type: T, fallback: z.output<T>, about: About): z.ZodDefault<T> {
  return z._default(type, fallback as z.core.util.NoUndefined<z.output<T>>).meta({ ...about });
}

/** Keys under one name. A section left out, or left empty, has all its defaults. */
export function section<S extends z.ZodRawShape>(description: string, shape: S): z.ZodPrefault<z.ZodObject<S, z.core.$strict>> {
  const object = z.strictObject(shape);
  return object.prefault({} as Parameters<typeof object.prefault>[0]).meta({ description });
}

export const integer = (min: number, max: number) => z.number().int().min(min).max(max);
export const number = (min: number, max: number) => z.number().min(min).max(max);
export const flag = () => z.boolean();

/** A path of a file or folder; relative ones start at the working directory. Nothing is expanded in it. */
export const path = () =>
  z
    .string()
    .min(1)
    .max(4096)
    .refine((text) => !text.includes('\0') && !text.startsWith('~'));
export const pathExpected = 'a path (absolute, or from the working directory; "~" is not expanded)';
