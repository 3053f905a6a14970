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

const edges = /^[ \t\r\n]+|[ \t\r\n]+$/g;

/** Bytes one to one, cut at the first NUL, blanks and line ends trimmed. Non-ASCII stays and fails later, by its charset. */
function textOf(payload: Buffer): string {
  const nul = payload.indexOf(0);
  return payload.toString('latin1', 0, nul === -1 ? payload.length : nul).replace(edges, '');
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
  const trimmed = text.replace(edges, '');
  return /^[A-Za-z0-9_.:-]{0,32}$/.test(trimmed) ? trimmed : null;
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
  const recipe = (fields[2] ?? '').replace(edges, '');
  const recipeId = recipe === '' ? 0 : recipeOf(recipe);
  if (seq === 0 || partId === null || recipeId === null || fields.length > 3) return { bad: Code.badPayload, seq };
  return { seq, partId, recipeId };
}

/** `"key" : "text"` or `"key" : token`, then a comma or the end. A number at the very end of a cut payload does not match. */
const member = /[ \t\r\n]*"([^"\\]*)"[ \t\r\n]*:[ \t\r\n]*(?:"([^"\\]*)"|([^\s"{}[\],:]+))[ \t\r\n]*([,}])/y;

function fromJson(text: string): TriggerFields | BadTrigger {
  const seen = new Map<string, { text: string; quoted: boolean }>();
  let wellFormed = false;
  let ambiguousSeq = false;
  member.lastIndex = 1;
  for (;;) {
    const at = member.lastIndex;
    const match = member.exec(text);
    if (match === null) {
      wellFormed = false;
      // A second `seq` that no longer parses still makes the first one doubtful.
      if (text.indexOf('"seq"', at) !== -1) ambiguousSeq = true;
      break;
    }
    const [, key = '', quoted, token, end] = match;
    if (seen.has(key)) {
      if (key === 'seq') ambiguousSeq = true;
      seen.set('duplicate key', { text: '', quoted: false });
    }
    seen.set(key, quoted === undefined ? { text: token ?? '', quoted: false } : { text: quoted, quoted: true });
    if (end === '}') {
      wellFormed = member.lastIndex === text.length;
      break;
    }
  }
  const rawSeq = seen.get('seq');
  const seq = rawSeq === undefined || rawSeq.quoted || ambiguousSeq ? 0 : seqOf(rawSeq.text);
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
