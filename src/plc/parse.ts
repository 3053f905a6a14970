/**
 * What a PLC writes, read as PLC conversions write it: blanks, CR, LF and everything after a NUL are trimmed, `+` and leading
 * zeros accepted (contract, "Rules of form"). Nothing here throws, recurses or keeps more than the payload itself.
 */
import { Code } from '../codes';
import { seqMax } from '../seq';

/** A trigger is some 60 bytes; what is longer than this was not made by a PLC. */
export const payloadBytes = 4096;

export interface TriggerFields {
  seq: number; // 1..2147483647
  partId: string; // [A-Za-z0-9_.:-]{0,32}
  recipeId: number; // 0..65535; 0 or absent: the one in force
}
/** `seq` where it could be read, else 0. */
export interface BadTrigger {
  bad: typeof Code.badPayload;
  seq: number;
}

/** Of a partId or an argument as it came, blanks included: what is longer is refused before anything looks into it. */
const fieldLimit = 256;

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0d || code === 0x0a;
}

/** Without blanks and line ends at both ends. By index: `[ ]+$` as a pattern begins anew at each blank, 4 KB of them cost 100 ms. */
function trimmed(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

/** Bytes one to one, cut at the first NUL, blanks and line ends trimmed. Non-ASCII stays and fails later, by its charset. */
function textOf(payload: Buffer): string {
  const nul = payload.indexOf(0);
  return trimmed(payload.toString('latin1', 0, nul === -1 ? payload.length : nul));
}

/** Integer 0..max as a PLC prints it, or null. Ten digits at most after leading zeros: exact in a double. */
function integerOf(text: string, max: number): number | null {
  const digits = /^[ \t]*\+?0*(\d{1,10})[ \t]*$/.exec(text)?.[1];
  if (digits === undefined) return null;
  const value = Number(digits);
  return value <= max ? value : null;
}

function seqOf(text: string): number {
  return integerOf(text, seqMax) ?? 0;
}

function recipeOf(text: string): number | null {
  return integerOf(text, 65535);
}

function partIdOf(text: string): string | null {
  const id = text.length > fieldLimit ? null : trimmed(text);
  return id !== null && /^[A-Za-z0-9_.:-]{0,32}$/.test(id) ? id : null;
}

/**
 * A trigger in its three forms: `{"seq":184467,"partId":"A0001234","recipeId":3}`, `184467`, `184467;A0001234;3`. Keys in any
 * order; partId and recipeId may be absent; anything beyond these (other keys, nesting, fractions, escapes) is refused, so that
 * a misspelt key is met at commissioning.
 */
export function parseTrigger(payload: Buffer): TriggerFields | BadTrigger {
  if (payload.length > payloadBytes) return { bad: Code.badPayload, seq: 0 };
  const text = textOf(payload);
  return text.startsWith('{') ? fromJson(text) : fromCsv(text);
}

function fromCsv(text: string): TriggerFields | BadTrigger {
  const fields = text.split(';', 4);
  const seq = seqOf(fields[0] ?? '');
  const partId = partIdOf(fields[1] ?? '');
  const recipe = trimmed(fields[2] ?? '');
  const recipeId = recipe === '' ? 0 : recipeOf(recipe);
  if (seq === 0 || partId === null || recipeId === null || fields.length > 3) return { bad: Code.badPayload, seq };
  return { seq, partId, recipeId };
}

/** `"key" : "text"` or `"key" : token`, then a comma or the end. A number at the very end of a cut payload does not match. */
const member = /[ \t\r\n]*"([^"\\]*)"[ \t\r\n]*:[ \t\r\n]*(?:"([^"\\]*)"|([^\s"{}[\],:]+))[ \t\r\n]*([,}])/y;

interface Members {
  seen: Map<string, { text: string; quoted: boolean }>;
  wellFormed: boolean;
  /** The key asked for came twice, or may have. */
  ambiguous: boolean;
}

/** The members of a flat object; `doubtful` names the one that must come once. */
function membersOf(text: string, doubtful: string): Members {
  const seen: Members['seen'] = new Map();
  let wellFormed = false;
  let ambiguous = false;
  member.lastIndex = 1;
  for (;;) {
    const at = member.lastIndex;
    const match = member.exec(text);
    if (match === null) {
      wellFormed = false;
      // A second one that no longer parses still makes the first one doubtful.
      if (text.indexOf(`"${doubtful}"`, at) !== -1) ambiguous = true;
      break;
    }
    const [, key = '', quoted, token, end] = match;
    if (seen.has(key)) {
      if (key === doubtful) ambiguous = true;
      seen.set('duplicate key', { text: '', quoted: false });
    }
    seen.set(key, quoted === undefined ? { text: token ?? '', quoted: false } : { text: quoted, quoted: true });
    if (end === '}') {
      wellFormed = member.lastIndex === text.length;
      break;
    }
  }
  return { seen, wellFormed, ambiguous };
}

function fromJson(text: string): TriggerFields | BadTrigger {
  const { seen, wellFormed, ambiguous } = membersOf(text, 'seq');
  const rawSeq = seen.get('seq');
  const seq = rawSeq === undefined || rawSeq.quoted || ambiguous ? 0 : seqOf(rawSeq.text);
  const rawPart = seen.get('partId') ?? { text: '', quoted: true };
  const rawRecipe = seen.get('recipeId') ?? { text: '0', quoted: false };
  const partId = rawPart.quoted ? partIdOf(rawPart.text) : null;
  const recipeId = rawRecipe.quoted ? null : recipeOf(rawRecipe.text);
  const known = [...seen.keys()].every((key) => key === 'seq' || key === 'partId' || key === 'recipeId');
  if (!wellFormed || !known || seq === 0 || partId === null || recipeId === null) return { bad: Code.badPayload, seq };
  return { seq, partId, recipeId };
}

/** The PLC's life counter, 0..4294967295 (UDINT), or null. */
export function parsePlcHeartbeat(payload: Buffer): number | null {
  return payload.length > 64 ? null : integerOf(textOf(payload), 4294967295);
}

export interface CommandFields {
  id: number; // 0..2147483647, the caller's
  cmd: number; // 0..65535
  arg: string; // '' where absent
}

/** A command, `{"id":7,"cmd":2,"arg":"3"}`: keys in any order, `arg` quoted or a number, or absent. Null for anything else. */
export function parseCommand(payload: Buffer): CommandFields | null {
  if (payload.length > payloadBytes) return null;
  const text = textOf(payload);
  if (!text.startsWith('{')) return null;
  const { seen, wellFormed } = membersOf(text, 'id');
  const known = [...seen.keys()].every((key) => key === 'id' || key === 'cmd' || key === 'arg');
  const number = (key: string, max: number): number | null => {
    const raw = seen.get(key);
    return raw === undefined || raw.quoted ? null : integerOf(raw.text, max);
  };
  const id = number('id', seqMax);
  const cmd = number('cmd', 65535);
  const arg = seen.get('arg');
  if (!wellFormed || !known || id === null || cmd === null) return null;
  if (arg !== undefined && arg.text.length > fieldLimit) return null;
  if (arg !== undefined && !arg.quoted && integerOf(arg.text, seqMax) === null) return null;
  return { id, cmd, arg: arg === undefined ? '' : trimmed(arg.text) };
}
