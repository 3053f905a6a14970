/**
 * A YAML file to plain values, with the line of each. Narrow on purpose: one document, mappings with plain keys, no anchors, no
 * aliases, no tags: nothing that expands, and nothing that reads otherwise than it looks.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { reason, VerdictdError } from '../errors';

/** A configuration is a few kB; more is another file. */
const maxBytes = 256 * 1024;
const maxDepth = 16;
/** Findings told at once: a file that is no YAML at all has one on every line. */
const maxFindings = 20;

export interface Read {
  values: Record<string, unknown>;
  /** Line of each value by its dotted path; list entries as path[0]. */
  lines: Map<string, number>;
}

function unreadable(file: string, what: string, details: readonly string[] = [], cause?: unknown): VerdictdError {
  return new VerdictdError('CONFIG_UNREADABLE', `${file}: ${what}`, { details, cause });
}

/** The bytes of a regular file of bounded size; a pipe or device is refused, not waited for. */
function bytes(file: string): Buffer {
  let handle: number;
  try {
    handle = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (thrown) {
    throw unreadable(file, `the configuration file cannot be read (${reason(thrown)}). Give another with --config FILE`, [], thrown);
  }
  try {
    const stat = fstatSync(handle);
    if (!stat.isFile()) throw unreadable(file, 'this is not a regular file; expected a YAML file. Give one with --config FILE');
    if (stat.size > maxBytes) throw unreadable(file, `the file has ${stat.size} bytes; a configuration has at most ${maxBytes}`);
    return readFileSync(handle);
  } finally {
    closeSync(handle);
  }
}

function shortened(found: readonly string[]): string[] {
  const each = [...new Set(found)];
  const more = each.length - maxFindings;
  return more > 0 ? [...each.slice(0, maxFindings), `and ${more} more`] : each;
}

/** Reads and converts `file`. Throws CONFIG_UNREADABLE with every finding of the YAML as a detail. */
export function readYaml(file: string): Read {
  const raw = bytes(file);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(raw);
  } catch (thrown) {
    throw unreadable(file, 'the file is not UTF-8 text. Save it as UTF-8', [], thrown);
  }
  return parseYaml(text, file);
}

/** As readYaml, of a text at hand; `file` is for messages. */
export function parseYaml(text: string, file: string): Read {
  const counter = new LineCounter();
  const found: string[] = [];
  const lines = new Map<string, number>();
  const lineOf = (offset: number | undefined) => counter.linePos(offset ?? 0);
  const say = (offset: number | undefined, what: string) => {
    const { line, col } = lineOf(offset);
    found.push(`line ${line}, column ${col}: ${what}`);
  };

  const convert = (node: unknown, path: string, depth: number): unknown => {
    if (!isNode(node)) return null; // a key with nothing after it
    const start = node.range?.[0];
    lines.set(path, lineOf(start).line);
    if (depth > maxDepth) {
      say(start, `more than ${maxDepth} levels; expected a section with keys`);
      return null;
    }
    if (isAlias(node)) {
      say(start, `the alias *${node.source}; expected the value itself, as anchors and aliases are not read here`);
      return null;
    }
    if (node.anchor !== undefined) say(start, `the anchor &${node.anchor}; expected no anchor, as aliases are not read here`);
    if (node.tag !== undefined) say(start, `the tag ${node.tag}; expected a plain value`);
    if (isScalar(node)) return node.value;
    if (isSeq(node)) return node.items.map((item, i) => convert(item, `${path}[${i}]`, depth + 1));
    if (!isMap(node)) return null;
    // Without a prototype: a key called __proto__ is a key like any other, and an unknown one.
    const values: Record<string, unknown> = Object.create(null);
    for (const pair of node.items) {
      const name = pair.key;
      if (!isScalar(name) || typeof name.value !== 'string') {
        say(isNode(name) ? name.range?.[0] : start, 'a key that is not a word; expected the name of a key');
        continue;
      }
      const below = path === '' ? name.value : `${path}.${name.value}`;
      values[name.value] = convert(pair.value, below, depth + 1);
      lines.set(below, lineOf(name.range?.[0]).line);
    }
    return values;
  };

  let values: unknown;
  try {
    const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, strict: true, uniqueKeys: true, version: '1.2' });
    for (const one of [...document.errors, ...document.warnings]) say(one.pos[0], one.message);
    if (found.length === 0) values = convert(document.contents, '', 0);
  } catch (thrown) {
    // Nested so deeply that the parser ran out of stack.
    throw unreadable(file, `the file cannot be parsed (${reason(thrown)}). See config/verdictd.yaml for how one looks`, [], thrown);
  }
  if (found.length > 0) throw unreadable(file, 'the file is not YAML as it is read here. Mend the lines below', shortened(found));
  if (values === null || values === undefined) {
    throw unreadable(file, 'the file is empty; expected sections with keys. See config/verdictd.yaml, which shows every key');
  }
  if (typeof values !== 'object' || Array.isArray(values)) {
    throw unreadable(file, 'the file holds a single value or a list; expected sections with keys. See config/verdictd.yaml');
  }
  return { values: values as Record<string, unknown>, lines };
}
