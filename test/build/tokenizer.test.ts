import { readFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Tokenizer } from '../../src/build/tokenizer';
import { VerdictdError } from '../../src/errors';
import { temporaryFolder } from './archives';
import { testWithVectors, vector } from './vectors';

const folder = temporaryFolder();
afterAll(() => folder.remove());

test.each<[string, Buffer, RegExp]>([
  ['an empty file', Buffer.alloc(0), /has 0 bytes/],
  ['another text', Buffer.from('a b\nc d\n'), /lists 2 merges, expected 48894/],
  ['a list of one word a line', Buffer.from('#\n'.concat('ab\n'.repeat(50_000))), /merge "ab", expected two symbols/],
  ['a merge listed twice', Buffer.from('#\n'.concat('a b\n'.repeat(50_000))), /twice/],
  ['damaged gzip', Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]), /cannot be unpacked/],
  ['a gzip bomb', gzipSync(Buffer.alloc(64 << 20)), /cannot be unpacked/],
  ['another JSON', Buffer.from('{"model":{"type":"Unigram"}}'), /not BPE/],
  ['broken JSON', Buffer.from('{"model"'), /is not JSON/],
  ['JSON without merges', Buffer.from('{"model":{"end_of_word_suffix":"</w>","vocab":{}}}'), /no vocab or no merges/],
  ['a number given twice', Buffer.from('{"model":{"end_of_word_suffix":"</w>","vocab":{"a":1,"b":1},"merges":[]}}'), /"b" the number "1"/],
  ['a vocabulary without its bytes', Buffer.from('{"model":{"end_of_word_suffix":"</w>","vocab":{"a":1},"merges":[]}}'), /has no token/],
])('%s is refused as a vocabulary', (_name, bytes, says) => {
  const path = folder.write('vocabulary', bytes);
  expect(() => Tokenizer.open(path)).toThrow(VerdictdError);
  expect(() => Tokenizer.open(path)).toThrow(says);
});

const file = 'tokenizer/bpe_simple_vocab_16e6.txt.gz';

testWithVectors('text that the authors would read otherwise is refused', () => {
  const tokenizer = Tokenizer.open(vector(file));
  for (const text of [
    'a\u0000b',
    'a\u001b[2J',
    '\ufeffa',
    '\ud800',
    '&copy;',
    '&copy',
    '&#128;',
    '&#0;',
    'R&D',
    'x <|endoftext|> y',
    'a'.repeat(10_001),
  ]) {
    expect(() => tokenizer.tokenize(text, { truncate: true })).toThrow(VerdictdError);
  }
  expect(() => tokenizer.tokenize('bolt '.repeat(76))).toThrow(/makes 78 tokens, at most 77 fit/);
});

testWithVectors('prompts of the reference vectors', () => {
  const tokenizer = Tokenizer.open(vector(file));
  const { tokens } = JSON.parse(readFileSync(vector('anomalyclip-tiny/manifest.json'), 'utf8')) as { tokens: Record<string, number[]> };
  expect(Object.keys(tokens)).toHaveLength(4);
  for (const [prompt, ids] of Object.entries(tokens)) {
    const row = tokenizer.tokenize(prompt);
    expect(row).toHaveLength(77);
    expect([...row.slice(0, 24)]).toEqual(ids);
    expect(row.slice(24).every((id) => id === 0)).toBe(true);
  }
  expect([tokenizer.start, tokenizer.end]).toEqual([49406, 49407]);
  expect(tokenizer.sha256).toMatch(/^924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a$/);
});

testWithVectors('case, white space, references, apostrophes, digits and bytes', () => {
  const tokenizer = Tokenizer.open(vector(file));
  const same = (a: string, b: string) => expect(tokenizer.encode(a)).toEqual(tokenizer.encode(b));
  same('  A  PHOTO\tof\na bolt ', 'a photo of a bolt');
  same('nut &amp; bolt', 'nut & bolt');
  same('nut &amp;amp; bolt', 'nut & bolt'); // resolved twice
  same('nut &#38; bolt &#x26;', 'nut & bolt &');
  same('e\u0301tat', '\u00e9tat'); // NFC
  // One word a digit; 's and the like are words of their own.
  expect(tokenizer.encode('2024')).toEqual(['2', '0', '2', '4'].flatMap((digit) => tokenizer.encode(digit)));
  expect(tokenizer.encode("it's")).toEqual([...tokenizer.encode('it'), ...tokenizer.encode("'s")]);
  // Base alphabet: printable bytes come first, '!' is 0, with the word end 256 higher (OpenAI's vocabulary).
  expect(tokenizer.encode('!')).toEqual([256]);
  expect(tokenizer.encode('日本語のねじ').length).toBeGreaterThan(3);
  expect(tokenizer.encode('')).toEqual([]);
  expect([...tokenizer.tokenize('').slice(0, 3)]).toEqual([49406, 49407, 0]);
});

testWithVectors('a prompt that is too long is cut as the authors cut it', () => {
  const tokenizer = Tokenizer.open(vector(file));
  const row = tokenizer.tokenize('bolt '.repeat(100), { truncate: true });
  const [bolt = 0] = tokenizer.encode('bolt');
  expect([...row]).toEqual([49406, ...new Array<number>(75).fill(bolt), 49407]);
  expect([...tokenizer.tokenize('bolt '.repeat(75))]).toEqual([...row]);
});

testWithVectors('tokenizer.json in both of its forms encodes as the merge list', () => {
  const list = Tokenizer.open(vector(file));
  const plain = gunzipSync(readFileSync(vector(file)));
  const merges = plain.toString('utf8').split('\n').slice(1, 48_895);
  const bytes = [...new Set(Array.from({ length: 256 }, (_, b) => b))].map((b) =>
    (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174 ? b : -1,
  );
  let next = 256;
  const alphabet = bytes.map((b) => String.fromCharCode(b >= 0 ? b : next++)).sort();
  const tokens = [
    ...alphabet,
    ...alphabet.map((c) => `${c}</w>`),
    ...merges.map((m) => m.replace(' ', '')),
    '<|startoftext|>',
    '<|endoftext|>',
  ];
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const prompts = ['a cropped photo of the damaged metal nut.', 'Élan naïve façade 12.5 mm', '日本語のねじ', "don't; it's 100% §"];
  for (const form of [merges, merges.map((m) => m.split(' '))]) {
    const json = { model: { type: 'BPE', end_of_word_suffix: '</w>', vocab, merges: form } };
    const tokenizer = Tokenizer.open(folder.write('tokenizer.json', Buffer.from(JSON.stringify(json))));
    for (const prompt of prompts) expect([...tokenizer.tokenize(prompt)]).toEqual([...list.tokenize(prompt)]);
  }
  const unpacked = Tokenizer.open(folder.write('vocabulary.txt', plain));
  expect([...unpacked.tokenize('a bolt')]).toEqual([...list.tokenize('a bolt')]);
});
