/**
 * CLIP's byte-pair tokenizer. Source of the algorithm: openai/CLIP clip/simple_tokenizer.py and clip.py `tokenize`; the vocabulary
 * is the user's file: OpenAI's bpe_simple_vocab_16e6.txt(.gz) or a HuggingFace tokenizer.json.
 *
 * Text is brought to NFC, HTML references are resolved twice as the authors do, white space collapsed, lower-cased. The authors
 * also run ftfy, which repairs wrongly decoded text and straightens curly quotes: that is not done here, and makes no difference
 * to plain text. Control characters and HTML names not known here are refused, so that no prompt differs from theirs in silence.
 */
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { VerdictdError } from '../errors';
import { RandomAccessFile } from './file';
import { quoted, refuse } from './refuse';

export const CONTEXT_LENGTH = 77;
const START = '<|startoftext|>';
const END = '<|endoftext|>';
const MERGES = 49_152 - 256 - 2; // 48 894, as simple_tokenizer.py cuts its list
const limits = { file: 16 << 20, text: 10_000 } as const; // bytes; characters

const VOCABULARY_FILE = "Give OpenAI's bpe_simple_vocab_16e6.txt.gz, or tokenizer.json of HuggingFace's openai/clip models.";

/** Words of a text, as the authors' pattern cuts them. */
const pattern = /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/giu;

/** One printable character for each byte (GPT-2's byte alphabet): printable bytes stand for themselves, the rest from U+0100 on. */
const byteAlphabet: readonly string[] = (() => {
  const printable = (b: number) => (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCharCode(printable(b) ? b : next++));
})();

interface Vocabulary {
  ids: ReadonlyMap<string, number>;
  /** Rank of the merge of two symbols, joined by a space; lower merges first. */
  ranks: ReadonlyMap<string, number>;
}

export class Tokenizer {
  private readonly cache = new Map<string, readonly number[]>();

  private constructor(
    private readonly vocabulary: Vocabulary,
    readonly start: number,
    readonly end: number,
    /** Of the file, for the sources in a manifest. */
    readonly sha256: string,
  ) {}

  /** Reads a vocabulary file. Throws CHECKPOINT_REFUSED where it is not CLIP's. */
  static open(path: string): Tokenizer {
    const file = RandomAccessFile.open(path);
    try {
      if (file.size < 2 || file.size > limits.file) {
        refuse(path, `has ${file.size} bytes, 2 to ${limits.file} are expected`, VOCABULARY_FILE);
      }
      const raw = file.read(0, file.size);
      const bytes = raw.readUInt16BE(0) === 0x1f8b ? unpack(path, raw) : raw;
      const vocabulary = bytes[0] === 0x7b ? fromTokenizerJson(path, bytes) : fromMergeList(path, bytes.toString('utf8'));
      const [start, end] = [START, END].map((special) => vocabulary.ids.get(special));
      if (start === undefined || end === undefined) return refuse(path, `has no ${START} or no ${END}`, VOCABULARY_FILE);
      return new Tokenizer(vocabulary, start, end, createHash('sha256').update(raw).digest('hex'));
    } finally {
      file.close();
    }
  }

  /**
   * Ids of one prompt, padded with 0: [start, ..., end, 0, ...].
   * A prompt of more tokens than fit is an error, unless `truncate`: then its tail is cut and the last token is `end`, as
   * `tokenize(truncate=True)` of the authors does. Throws USAGE.
   */
  tokenize(text: string, options: { length?: number; truncate?: boolean } = {}): Int32Array {
    const length = options.length ?? CONTEXT_LENGTH;
    const ids = [this.start, ...this.encode(text), this.end];
    if (ids.length > length && !options.truncate) {
      throw new VerdictdError('USAGE', `The prompt ${quoted(text)} makes ${ids.length} tokens, at most ${length} fit. Shorten it.`);
    }
    const row = new Int32Array(length);
    row.set(ids.slice(0, length));
    if (ids.length > length) row[length - 1] = this.end;
    return row;
  }

  /** Ids of a text without start, end and padding. Throws USAGE for text that cannot be encoded as the authors would. */
  encode(text: string): number[] {
    return Array.from(clean(text).matchAll(pattern), ([word]) => this.word(word)).flat();
  }

  private word(word: string): readonly number[] {
    const known = this.cache.get(word);
    if (known) return known;
    const symbols = Array.from(Buffer.from(word), (byte) => byteAlphabet[byte] ?? '');
    symbols.push(`${symbols.pop() ?? ''}</w>`);
    const ids = this.merge(symbols).map((symbol) => {
      const id = this.vocabulary.ids.get(symbol);
      if (id === undefined) throw new VerdictdError('INTERNAL', `The vocabulary has no token ${quoted(symbol)}.`);
      return id;
    });
    this.cache.set(word, ids);
    return ids;
  }

  /** Joins, again and again, all occurrences of the pair of neighbours with the lowest rank. */
  private merge(symbols: string[]): string[] {
    let parts = symbols;
    for (;;) {
      let best = Infinity;
      let pair: [string, string] | null = null;
      for (let i = 0; i + 1 < parts.length; i++) {
        const [left = '', right = ''] = [parts[i], parts[i + 1]];
        const rank = this.vocabulary.ranks.get(`${left} ${right}`) ?? Infinity;
        if (rank < best) [best, pair] = [rank, [left, right]];
      }
      if (!pair) return parts;
      const next: string[] = [];
      for (let i = 0; i < parts.length; i++) {
        const here = parts[i] ?? '';
        if (here === pair[0] && parts[i + 1] === pair[1]) {
          next.push(here + pair[1]);
          i++;
        } else next.push(here);
      }
      parts = next;
    }
  }
}

function unpack(path: string, bytes: Buffer): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: limits.file });
  } catch {
    return refuse(path, 'cannot be unpacked (damaged, or far larger inside than a vocabulary)', VOCABULARY_FILE);
  }
}

/** Lines of "left right" under one heading line; ids follow from the order (simple_tokenizer.py, `__init__`). */
function fromMergeList(path: string, text: string): Vocabulary {
  const merges = text.split('\n').slice(1, MERGES + 1);
  if (merges.length !== MERGES) refuse(path, `lists ${merges.length} merges, expected ${MERGES}`, VOCABULARY_FILE);
  // The authors number the printable bytes first, the others after them.
  const bytes = byteAlphabet.toSorted((a, b) => a.charCodeAt(0) - b.charCodeAt(0));
  const tokens = [...bytes, ...bytes.map((b) => `${b}</w>`), ...merges.map((line) => joined(path, line)), START, END];
  return { ids: numbered(path, tokens), ranks: numbered(path, merges) };
}

function joined(path: string, merge: string): string {
  const [left, right, more] = merge.split(' ');
  if (!left || !right || more !== undefined) return refuse(path, `has the merge ${quoted(merge)}, expected two symbols`, VOCABULARY_FILE);
  return left + right;
}

function numbered(path: string, items: readonly string[]): Map<string, number> {
  const ids = new Map(items.map((item, id) => [item, id]));
  if (ids.size !== items.length) refuse(path, `lists ${items.length - ids.size} tokens or merges twice`, VOCABULARY_FILE);
  return ids;
}

function fromTokenizerJson(path: string, bytes: Buffer): Vocabulary {
  const wrong = (what: string) => refuse(path, what, VOCABULARY_FILE);
  let model: { type?: unknown; vocab?: unknown; merges?: unknown; end_of_word_suffix?: unknown } | undefined;
  try {
    model = (JSON.parse(bytes.toString('utf8')) as { model?: typeof model }).model;
  } catch {
    return wrong('is not JSON');
  }
  if (typeof model !== 'object' || model === null || model.end_of_word_suffix !== '</w>' || (model.type ?? 'BPE') !== 'BPE') {
    return wrong('is no tokenizer.json of CLIP: its model is not BPE with the word end "</w>"');
  }
  if (typeof model.vocab !== 'object' || model.vocab === null || !Array.isArray(model.merges)) return wrong('has no vocab or no merges');
  const merges = model.merges.map((merge: unknown) => (Array.isArray(merge) ? merge.join(' ') : String(merge)));
  const ids = new Map<string, number>();
  const taken = new Set<number>();
  for (const [token, id] of Object.entries(model.vocab)) {
    if (!Number.isInteger(id) || id < 0 || taken.has(id)) wrong(`gives token ${quoted(token)} the number ${quoted(String(id))}`);
    taken.add(id);
    ids.set(token, id);
  }
  const needed = [...byteAlphabet, ...byteAlphabet.map((b) => `${b}</w>`), ...merges.map((merge) => joined(path, merge))];
  const absent = needed.find((token) => !ids.has(token));
  if (absent !== undefined) wrong(`has no token ${quoted(absent)}, which its merges need`);
  return { ids, ranks: numbered(path, merges) };
}

const htmlNames: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' };

/**
 * One pass of Python's html.unescape for the references above and for numbers outside its table of exceptions. Python also takes
 * some references without their semicolon: those are refused, and blanks around an & cost nothing, it is a word of its own.
 */
function unescapeHtml(text: string): string {
  return text.replace(/&(?:#(\d{1,7});|#[xX]([0-9a-fA-F]{1,6});|(\w+);|[#\w])/g, (reference, decimal, hex, name) => {
    const known = typeof name === 'string' && Object.hasOwn(htmlNames, name) ? htmlNames[name] : undefined;
    if (known !== undefined) return known;
    const point = decimal !== undefined ? Number(decimal) : Number.parseInt(hex ?? '', 16);
    const usable = point >= 0x20 && !(point >= 0x7f && point < 0xa0) && !(point >= 0xd800 && point < 0xe000) && point <= 0x10ffff;
    return usable ? String.fromCodePoint(point) : unusable(text, `${quoted(reference)} (write a bare & with blanks around it)`);
  });
}

function unusable(text: string, what: string): never {
  throw new VerdictdError('USAGE', `The prompt ${quoted(text)} holds ${what}. Write the character itself, or leave it out.`);
}

function clean(text: string): string {
  if (text.length > limits.text)
    throw new VerdictdError('USAGE', `A prompt of ${text.length} characters is too long; ${limits.text} are the most.`);
  if (/\p{Cs}/u.test(text)) unusable(text, 'half a character');
  const plain = unescapeHtml(unescapeHtml(text.normalize('NFC')));
  if (/(?![\t\n\v\f\r])\p{Cc}|\ufeff/u.test(plain)) unusable(text, 'a control character');
  const lower = plain.replace(/\s+/gu, ' ').trim().toLowerCase();
  if (lower.includes(START) || lower.includes(END)) unusable(text, `the reserved word ${START} or ${END}`);
  return lower;
}
