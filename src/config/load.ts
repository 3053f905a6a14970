/** File, environment and flags to one frozen configuration; or every mistake at once. */
import { createHash } from 'node:crypto';
import { VerdictdError } from '../errors';
import { line, type Mistake } from './mistakes';
import { fromEnvironment, fromFlags, type Override } from './overrides';
import type { Values } from './schema';
import { root } from './tree';
import { put, type Raw, sections, validate } from './validate';
import { type Read, readYaml } from './yaml';

type DeepReadonly<T> = T extends readonly (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** Values with nothing left open: what null stands for in these keys has been filled in. */
type Resolved = Omit<Values, 'plc'> & { plc: Omit<Values['plc'], 'url' | 'baseTopic'> & { url: string; baseTopic: string } };

/** The configuration in force, frozen to the bottom. `sha256` (hex) is of the values alone: which file they came from is not in it. */
export type Config = DeepReadonly<Resolved> & { readonly sha256: string };

export interface LoadOptions {
  /** YAML file; null for the defaults alone. */
  file: string | null;
  env: Readonly<Record<string, string | undefined>>;
  /** As given to --set: "plc.ttl=1200". Goes before the environment, which goes before the file. */
  set: readonly string[];
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    for (const below of Object.values(value)) freeze(below);
    Object.freeze(value);
  }
  return value;
}

function resolve(values: Values): Resolved {
  const { broker, plc, station } = values;
  const host = broker.host === '::1' ? '[::1]' : broker.host;
  return {
    ...values,
    plc: { ...plc, url: plc.url ?? `mqtt://${host}:${broker.port}`, baseTopic: plc.baseTopic ?? `verdictd/${station.name}` },
  };
}

/** JSON with sorted keys: the same values give the same text, whatever order they came in. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/**
 * Reads and checks the configuration.
 * Throws CONFIG_UNREADABLE (no file, no YAML), CONFIG_INVALID (details: one line a mistake, all of them), USAGE (a flag without "=").
 */
export function loadConfig(options: LoadOptions): Config {
  const flags = fromFlags(options.set);
  const environment = fromEnvironment(options.env);
  const read: Read = options.file === null ? { values: {}, lines: new Map() } : readYaml(options.file);

  const overrides = new Map<string, Override>();
  for (const one of [...environment.given, ...flags.given]) overrides.set(one.leaf.path, one);
  const placeOf = (path: string): string => {
    const override = overrides.get(path.replace(/\[.*$/, ''));
    if (override !== undefined) return override.place;
    const at = read.lines.get(path) ?? read.lines.get(path.replace(/\[.*$/, ''));
    return at === undefined ? 'its default' : `line ${at}`;
  };

  const mistakes: Mistake[] = [];
  const raw: Raw = sections(read.values, root, placeOf, mistakes);
  for (const { leaf, value } of overrides.values()) put(raw, leaf.path, value);
  const checked = validate(raw, placeOf);
  mistakes.push(...checked.mistakes, ...environment.mistakes, ...flags.mistakes, ...lasting(checked.values, flags.given, placeOf));
  if (mistakes.length > 0 || checked.values === null) throw invalid(options.file, mistakes);

  const resolved = resolve(checked.values);
  return freeze({ ...resolved, sha256: createHash('sha256').update(canonical(resolved)).digest('hex') });
}

/** Contract, field ok: the switch ends at restart. In a file or an environment it would be in force again with every start. */
function lasting(values: Values | null, flags: readonly Override[], placeOf: (path: string) => string): Mistake[] {
  const path = 'plc.acceptSimulated';
  if (values?.plc.acceptSimulated !== true || flags.some(({ leaf }) => leaf.path === path)) return [];
  const expected = 'false: this switch is for one run and is given on the command line alone, as --set plc.acceptSimulated=true';
  return [{ path, place: placeOf(path), value: 'true', expected }];
}

function invalid(file: string | null, mistakes: readonly Mistake[]): VerdictdError {
  const number = mistakes.length === 1 ? 'one mistake' : `${mistakes.length} mistakes`;
  return new VerdictdError(
    'CONFIG_INVALID',
    `${file ?? 'no file, the defaults'}: ${number} in the configuration. docs/config.md lists every key`,
    {
      details: mistakes.map(line),
    },
  );
}
