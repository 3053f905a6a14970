/** Raw values against schema and rules: every mistake at once, in words. */
import type { z } from 'zod';
import { isSecret, type Mistake, nearest, show } from './mistakes';
import { secretHint } from './overrides';
import { rules } from './rules';
import { schema, type Values } from './schema';
import { type Branch, type Leaf, leafByPath, leaves, root } from './tree';

export type Raw = Record<string, unknown>;

function isRaw(value: unknown): value is Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Tells where the value of a path came from. */
export type PlaceOf = (path: string) => string;

/** Without a prototype: no key, whatever it is called, can mean anything but itself. */
function bare(): Raw {
  return Object.create(null) as Raw;
}

/**
 * A copy in which every section is a mapping: an empty one (`plc:` and nothing) has its defaults, anything else in place of one
 * is a mistake and left out.
 */
export function sections(raw: Raw, branch: Branch, placeOf: PlaceOf, mistakes: Mistake[]): Raw {
  const copy = bare();
  for (const [name, value] of Object.entries(raw)) {
    const child = branch.children.find((one) => one.name === name);
    if (child === undefined || 'leaf' in child) copy[name] = value;
    else if (value === null) copy[name] = bare();
    else if (isRaw(value)) copy[name] = sections(value, child.branch, placeOf, mistakes);
    else {
      const keys = child.branch.children.map((one) => one.name).join(', ');
      mistakes.push({
        path: child.branch.path,
        place: placeOf(child.branch.path),
        value: show(value),
        expected: `a section with keys of ${keys}`,
      });
    }
  }
  return copy;
}

/** Sets one value in a tree that `sections` made. */
export function put(raw: Raw, path: string, value: unknown): void {
  const names = path.split('.');
  const last = names.pop();
  let at = raw;
  for (const name of names) {
    const next = at[name];
    const below = isRaw(next) ? next : bare();
    at[name] = below;
    at = below;
  }
  if (last !== undefined) at[last] = value;
}

function drop(raw: Raw, path: readonly PropertyKey[]): void {
  let at: unknown = raw;
  for (const name of path.slice(0, -1)) {
    if (!isRaw(at)) return;
    at = at[String(name)];
  }
  const last = path.at(-1);
  if (isRaw(at) && last !== undefined) delete at[String(last)];
}

/** What a wrong value was perhaps meant to be. */
function hintFor(leaf: Leaf, value: unknown, entry: boolean): string | undefined {
  if (leaf.path === 'line.shifts' && typeof value === 'string' && /^\d\d:\d\d$/.test(value)) {
    return `a shift has an end as well: ${value}-HH:MM`;
  }
  if (entry) return undefined;
  if (leaf.kind === 'number' && typeof value === 'string') {
    const found = /^\s*([-+]?[\d.]+)\s*([^\d.\s][^\d]*)?$/.exec(value);
    const unit = leaf.about.unit;
    if (found === null) return undefined;
    if (found[2] === undefined) return 'write the number without quotes';
    if (found[2].trim() === unit) return `write the number alone: ${found[1]}`;
    return unit === undefined ? 'write the number alone' : `write the number alone, in ${unit}`;
  }
  if (leaf.kind === 'boolean' && typeof value === 'string' && /^(yes|no|on|off|true|false)$/i.test(value)) {
    return `write ${/^(yes|on|true)$/i.test(value)}, without quotes`;
  }
  if (leaf.kind === 'string' && (typeof value === 'number' || typeof value === 'boolean'))
    return `if it is meant so, write it in quotes: "${value}"`;
  if (leaf.kind === 'list' && typeof value === 'string') return `write it as a list: [${value}]`;
  if (leaf.path === 'plc.url' && typeof value === 'string' && value.includes('@')) {
    return 'the user goes to plc.username, the password into a file that plc.passwordFile names';
  }
  if (typeof value === 'string' && leaf.kind === 'string') {
    const words = /^one of (.*?)(, or null)?$/.exec(leaf.expected)?.[1]?.split(', ') ?? [];
    const near = nearest(value, words);
    return near === undefined ? undefined : `did you mean ${near}?`;
  }
  return undefined;
}

function unknownKey(parent: string, name: string, value: unknown, placeOf: PlaceOf): Mistake {
  const path = parent === '' ? name : `${parent}.${name}`;
  let branch: Branch = root;
  for (const part of parent === '' ? [] : parent.split('.')) {
    const child = branch.children.find((one) => one.name === part);
    if (child !== undefined && 'branch' in child) branch = child.branch;
  }
  const names = branch.children.map((one) => one.name);
  const secret = isSecret(name);
  const meant = near(parent, name, names);
  return {
    path,
    place: placeOf(path),
    value: secret || isRaw(value) || Array.isArray(value) ? null : show(value),
    expected: secret || meant !== undefined ? 'a key that is known' : `a key that is known (here: ${names.join(', ')})`,
    hint: secret ? secretHint : meant,
  };
}

/** The key that was perhaps meant: in the same section, or of the same name in another. */
function near(parent: string, name: string, siblings: readonly string[]): string | undefined {
  const path = parent === '' ? name : `${parent}.${name}`;
  if (name.includes('.') && leafByPath.has(path)) {
    const [last, ...above] = path.split('.').reverse();
    return `write ${last} below ${above.reverse().join(', then ')}, indented`;
  }
  const sibling = nearest(name, siblings);
  if (sibling !== undefined) return `did you mean ${parent === '' ? sibling : `${parent}.${sibling}`}?`;
  const elsewhere = leaves.find((leaf) => leaf.path.split('.').at(-1) === name)?.path ?? nearest(path, leafByPath.keys());
  return elsewhere === undefined ? undefined : `did you mean ${elsewhere}?`;
}

function dotted(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, one) => (typeof one === 'number' ? `${text}[${one}]` : text === '' ? String(one) : `${text}.${String(one)}`),
    '',
  );
}

function leafOf(path: readonly PropertyKey[]): { leaf: Leaf; length: number } | undefined {
  for (let length = path.length; length > 0; length--) {
    const leaf = leafByPath.get(dotted(path.slice(0, length)));
    if (leaf !== undefined) return { leaf, length };
  }
  return undefined;
}

function at(raw: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, name) => (typeof value === 'object' && value !== null ? (value as Raw)[String(name)] : undefined),
    raw,
  );
}

/** The mistakes of one finding of the schema, and the paths that are wrong in themselves. */
function explain(issue: z.core.$ZodIssue, raw: Raw, placeOf: PlaceOf): { mistakes: Mistake[]; wrong: PropertyKey[][] } {
  if (issue.code === 'unrecognized_keys') {
    const parent = dotted(issue.path);
    const mistakes = issue.keys.map((name) => unknownKey(parent, name, at(raw, [...issue.path, name]), placeOf));
    return { mistakes, wrong: issue.keys.map((name) => [...issue.path, name]) };
  }
  const found = leafOf(issue.path);
  const path = dotted(issue.path);
  const value = at(raw, issue.path);
  if (found === undefined)
    return { mistakes: [{ path, place: placeOf(path), value: show(value), expected: issue.message }], wrong: [[...issue.path]] };
  const hint = hintFor(found.leaf, value, issue.path.length > found.length);
  return {
    mistakes: [{ path, place: placeOf(path), value: show(value), expected: found.leaf.expected, hint }],
    wrong: [issue.path.slice(0, found.length)],
  };
}

/**
 * Checks `raw` (made by `sections` and `put`). The values are complete where there is no mistake. Rules are asked of what is
 * right in itself, so that one call tells everything.
 */
export function validate(raw: Raw, placeOf: PlaceOf): { values: Values | null; mistakes: Mistake[] } {
  const mistakes = new Map<string, Mistake>();
  const wrong = new Set<string>();
  let parsed = schema.safeParse(raw);
  if (!parsed.success) {
    const sound = sections(raw, root, placeOf, []);
    for (const issue of parsed.error.issues) {
      const found = explain(issue, raw, placeOf);
      for (const mistake of found.mistakes) if (!mistakes.has(mistake.path)) mistakes.set(mistake.path, mistake);
      for (const path of found.wrong) {
        wrong.add(dotted(path));
        drop(sound, path);
      }
    }
    parsed = schema.safeParse(sound);
  }
  const values = parsed.success ? parsed.data : null;
  for (const rule of values === null ? [] : rules) {
    if (values === null || rule.paths.some((path) => wrong.has(path))) continue;
    const finding = rule.find(values);
    if (finding === null || mistakes.has(finding.path)) continue;
    const value = show(at(values, finding.path.split('.')));
    mistakes.set(finding.path, { path: finding.path, place: placeOf(finding.path), value, expected: finding.expected });
  }
  return { values: mistakes.size === 0 ? values : null, mistakes: [...mistakes.values()] };
}
