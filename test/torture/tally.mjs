// What a part has counted so far, kept in out/torture, so that slices of one part, run at different times, add up.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './support/station.mjs';

const kept = 20; // failures told in words; `failures` beyond it are only counted

export const empty = () => ({
  units: 0,
  slices: 0,
  seconds: 0,
  count: {},
  most: {},
  failures: [],
  failed: 0,
  scale: {},
  notes: [],
  commits: [],
});

/** The sum of two tallies. */
export function add(tally, slice) {
  const sum = structuredClone(tally);
  sum.units += slice.units;
  sum.slices += 1;
  for (const [name, n] of Object.entries(slice.count ?? {})) sum.count[name] = (sum.count[name] ?? 0) + n;
  for (const [name, n] of Object.entries(slice.most ?? {})) sum.most[name] = Math.max(sum.most[name] ?? Number.NEGATIVE_INFINITY, n);
  sum.failed += slice.failures?.length ?? 0;
  sum.failures = [...sum.failures, ...(slice.failures ?? [])].slice(0, kept);
  Object.assign(sum.scale, slice.scale);
  for (const note of slice.notes ?? []) if (!sum.notes.includes(note)) sum.notes.push(note);
  return sum;
}

const file = (name, short) => join(root, 'out/torture', short ? `${name}.short.json` : `${name}.json`);

export function load(name, short) {
  try {
    return JSON.parse(readFileSync(file(name, short), 'utf8'));
  } catch {
    return null;
  }
}

export function save(name, short, tally) {
  const path = file(name, short);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(`${path}.new`, `${JSON.stringify(tally, null, 1)}\n`);
  renameSync(`${path}.new`, path);
}

/** The commit of the tree, with + where files differ from it; unknown without git. */
export function commitOf() {
  try {
    const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain') === '' ? '' : '+');
  } catch {
    return 'unknown';
  }
}
