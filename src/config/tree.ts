/** The schema as plain rows: what messages, environment variables and generated files are made of. */
import { z } from 'zod';
import type { About } from './key';
import { schema } from './schema';

export type Kind = 'number' | 'boolean' | 'string' | 'list';

export interface Leaf {
  path: string; // dotted
  env: string;
  kind: Kind;
  nullable: boolean;
  expected: string; // "a whole number from 100 to 60000, in ms"
  fallback: unknown;
  about: About;
}

export interface Branch {
  path: string; // '' for the root
  description: string;
  children: readonly Node[];
}

export type Node = { name: string } & ({ leaf: Leaf } | { branch: Branch });

/** The environment variable of a key: plc.passwordFile -> VERDICTD_PLC_PASSWORD_FILE. */
export function environmentName(path: string): string {
  const words = path.split('.').map((part) => part.replace(/([a-z0-9])([A-Z])/g, '$1_$2'));
  return `VERDICTD_${words.join('_').toUpperCase()}`;
}

function numberExpected(type: z.ZodNumber, unit: string | undefined): string {
  const what = `a ${type.isInt ? 'whole ' : ''}number from ${type.minValue} to ${type.maxValue}`;
  return unit === undefined || /\d/.test(unit) ? what : `${what}, in ${unit}`;
}

/** The kind of a value, and what is expected of it in words. */
function describe(type: z.core.$ZodType, about: About): { kind: Kind; nullable: boolean; expected: string } {
  if (type instanceof z.ZodNullable) {
    const inner = describe(type.unwrap(), about);
    return { ...inner, nullable: true, expected: `${inner.expected}, or null` };
  }
  const as = (kind: Kind, expected: string) => ({ kind, nullable: false, expected: about.expected ?? expected });
  if (type instanceof z.ZodNumber) return as('number', numberExpected(type, about.unit));
  if (type instanceof z.ZodBoolean) return as('boolean', 'true or false');
  if (type instanceof z.ZodEnum) return as('string', `one of ${type.options.join(', ')}`);
  if (type instanceof z.ZodString) return as('string', 'text');
  if (type instanceof z.ZodArray) return as('list', `a list, each ${describe(type.element, { description: '' }).expected}`);
  throw new Error('the schema uses a type that src/config/tree.ts does not describe');
}

function node(name: string, path: string, type: z.core.$ZodType): Node {
  if (type instanceof z.ZodPrefault) {
    const object = type.unwrap();
    if (!(object instanceof z.ZodObject)) throw new Error(`${path}: only sections are prefaulted`);
    return { name, branch: branch(path, type.description ?? '', object) };
  }
  if (!(type instanceof z.ZodDefault)) throw new Error(`${path}: every key has a default`);
  const about = type.meta() as About | undefined;
  if (about === undefined) throw new Error(`${path}: every key has a description`);
  const leaf: Leaf = { path, env: environmentName(path), fallback: type.def.defaultValue, about, ...describe(type.unwrap(), about) };
  return { name, leaf };
}

function branch(path: string, description: string, object: z.ZodObject): Branch {
  const children = Object.entries(object.shape).map(([name, type]) => node(name, path === '' ? name : `${path}.${name}`, type));
  return { path, description, children };
}

/** The whole schema. */
export const root: Branch = branch('', '', schema);

function collect(from: Branch): Leaf[] {
  return from.children.flatMap((child) => ('leaf' in child ? [child.leaf] : collect(child.branch)));
}

/** Every key there is, in the order of the schema. */
export const leaves: readonly Leaf[] = collect(root);
export const leafByPath: ReadonlyMap<string, Leaf> = new Map(leaves.map((leaf) => [leaf.path, leaf]));
export const leafByEnv: ReadonlyMap<string, Leaf> = new Map(leaves.map((leaf) => [leaf.env, leaf]));
