import { Code } from '../../src/codes';
import { Admissions, type Conditions } from '../../src/line/admission';
import type { TriggerRequest } from '../../src/ports';

const fine: Conditions = { notReady: Code.ok, openParts: 0, maxOpen: 4, recipe: 3, ttl: 1500 };
const trigger = (seq: number, over: Partial<TriggerRequest> = {}): TriggerRequest => ({
  seq,
  partId: 'A1',
  recipeId: 0,
  received: 1000,
  ...over,
});

describe('triggers that are refused', () => {
  test('a number that was used before this start', () => {
    const admissions = new Admissions(10);
    for (const seq of [10, 9, 1]) expect(admissions.admit(trigger(seq), 1000, fine)).toEqual({ kind: 'refuse', code: 203 });
  });

  test('a used number with another part or recipe: the part is not inspected twice', () => {
    const admissions = new Admissions(0);
    expect(admissions.admit(trigger(5), 1000, fine).kind).toBe('new');
    expect(admissions.admit(trigger(5, { partId: 'B2' }), 1001, fine)).toEqual({ kind: 'refuse', code: 203 });
    expect(admissions.admit(trigger(5, { recipeId: 3 }), 1001, fine)).toEqual({ kind: 'refuse', code: 203 });
  });

  test.each([
    ['not ready', { notReady: Code.cameraLost }, 301],
    ['another recipe', { recipe: 7 }, 204],
    ['too many parts open', { openParts: 4 }, 201],
  ] as const)('%s', (_name, over, code) => {
    const admissions = new Admissions(0);
    const request = trigger(1, { recipeId: 3 });
    expect(admissions.admit(request, 1000, { ...fine, ...over })).toEqual({ kind: 'refuse', code });
    // After ack 0 no result follows, though the reason may be gone by the time the PLC repeats the message.
    expect(admissions.admit(request, 1001, fine)).toEqual({ kind: 'repeat', answer: { kind: 'refusedTrigger', code } });
  });

  test('a repetition older than the TTL', () => {
    const admissions = new Admissions(0);
    admissions.admit(trigger(5), 1000, fine);
    admissions.answered(5, { kind: 'refusedTrigger', code: 201 });
    expect(admissions.admit(trigger(5), 1000 + 1501, fine)).toEqual({ kind: 'refuse', code: 203 });
  });
});

test('an honest repetition gets the first answer, an open part stays open however long it takes', () => {
  const admissions = new Admissions(0);
  admissions.admit(trigger(5), 1000, fine);
  expect(admissions.admit(trigger(5), 99_000, fine)).toEqual({ kind: 'repeat', answer: { kind: 'open' } });
});

test('numbers ahead are accepted, gaps and all, and lastSeq follows', () => {
  const admissions = new Admissions(0);
  for (const seq of [7, 8, 20]) expect(admissions.admit(trigger(seq), 1000, fine).kind).toBe('new');
  expect(admissions.lastSeq).toBe(20);
});

test('the number wraps from 2147483647 to 1', () => {
  const admissions = new Admissions(2147483646);
  expect(admissions.admit(trigger(2147483647), 1000, fine).kind).toBe('new');
  expect(admissions.admit(trigger(1), 1000, fine).kind).toBe('new');
  expect(admissions.admit(trigger(2147483646), 1000, fine)).toEqual({ kind: 'refuse', code: 203 });
});
