/** What is wrong with a configuration, one line a mistake: path, place, value, what was expected, what was perhaps meant. */

export interface Mistake {
  path: string; // dotted; '' for the file as a whole
  place: string; // "verdictd.yaml line 12", "environment VERDICTD_PLC_TTL", "--set plc.ttl"
  /** What was found, as text; null where it must not be shown, or says nothing. */
  value: string | null;
  expected: string;
  hint?: string | undefined;
}

export function line(mistake: Mistake): string {
  const value = mistake.value === null ? '' : ` is ${mistake.value}`;
  const hint = mistake.hint === undefined ? '' : `; ${mistake.hint}`;
  const where = mistake.place === '' ? '' : ` (${mistake.place})`;
  return `${mistake.path === '' ? 'the configuration' : mistake.path}${value}${where}: expected ${mistake.expected}${hint}`;
}

/** A key by whose name alone its value is a secret. */
export function isSecret(name: string): boolean {
  return /pass(word|wd|phrase)?$|secret|token|api_?key|private_?key|credential/i.test(name);
}

/** A value for a message: short, on one line, passwords of URLs cut out. */
export function show(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'number') return String(value); // NaN and Infinity, which JSON does not know
  const text = (JSON.stringify(value) ?? typeof value).replace(/(:\/\/)[^/@\s"]*@/g, '$1...@');
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}

/** Edits (insert, delete, replace) between two words: Levenshtein's distance, by Wagner and Fischer's table. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The known word nearest to `word`, if near enough to have been meant. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > 64) return undefined;
  const plain = (text: string) => text.toLowerCase().replace(/[-_]/g, '');
  let best: string | undefined;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const d = distance(plain(word), plain(candidate));
    if (d < least) {
      least = d;
      best = candidate;
    }
  }
  return best;
}
