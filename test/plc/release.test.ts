import { Code, Evaluation, ResultState } from '../../src/codes';
import { RateLimit } from '../../src/plc/rate';
import { type Moment, release, Told } from '../../src/plc/release';
import type { Part, Verdict } from '../../src/ports';
import { makeVerdict } from './support';

const good: Moment = { age: 100, ttl: 1500, connected: true, state: 'Operational', acceptSimulated: false };

test.each<[string, Partial<Verdict>, Partial<Part>, Partial<Moment>, Code]>([
  ['not released', { released: 0 }, {}, {}, Code.notReady],
  ['not released, with its reason', { released: 0, code: Code.anomaly, evaluation: Evaluation.NotOK }, {}, {}, Code.anomaly],
  ['released, though the code says no', { code: Code.greyZone }, {}, {}, Code.greyZone],
  ['released, though not OK', { evaluation: Evaluation.NotOK }, {}, {}, Code.notANumber],
  ['released, though not completed', { state: ResultState.Failed }, {}, {}, Code.notANumber],
  ['simulated', {}, { simulated: true }, {}, Code.simulated],
  ['free run', {}, { seq: 0 }, {}, Code.noSeq],
  ['late', { late: true }, {}, {}, Code.tooLate],
  ['expired', {}, {}, { age: 1500.1 }, Code.expired],
  ['age below zero', {}, {}, { age: -1 }, Code.expired],
  ['age not a number', {}, {}, { age: Number.NaN }, Code.expired],
  ['halted', {}, {}, { state: 'Halted' }, Code.notReady],
  ['in error', {}, {}, { state: 'Error' }, Code.notReady],
  ['state unknown', {}, {}, { state: null }, Code.notReady],
  ['not connected', {}, {}, { connected: false }, Code.notReady],
])('%s: ok 0 with a reason', (_name, verdict, part, moment, code) => {
  expect(release(makeVerdict(verdict, part), { ...good, ...moment })).toEqual({ ok: 0, code });
});

test('ok 1 only when everything holds; a simulated part by the commissioning switch alone', () => {
  expect(release(makeVerdict(), good)).toEqual({ ok: 1, code: 0 });
  expect(release(makeVerdict(), { ...good, age: 1500 })).toEqual({ ok: 1, code: 0 });
  expect(release(makeVerdict({}, { simulated: true }), { ...good, acceptSimulated: true })).toEqual({ ok: 1, code: 0 });
});

test('after a no, never a yes about the same part; memory stays bounded', () => {
  const told = new Told();
  expect(told.next('a', { ok: 0, code: Code.tooLate })).toEqual({ ok: 0, code: Code.tooLate });
  expect(told.next('a', { ok: 1, code: 0 })).toEqual({ ok: 0, code: Code.tooLate });
  expect(told.next('b', { ok: 1, code: 0 })).toEqual({ ok: 1, code: 0 });
  expect(told.next('b', { ok: 0, code: Code.expired })).toEqual({ ok: 0, code: Code.expired });
  expect(told.next('b', { ok: 1, code: 0 })).toEqual({ ok: 0, code: Code.expired });
  for (let i = 0; i < 5000; i++) told.next(`n${i}`, { ok: 1, code: 0 });
  expect((told as unknown as { said: Map<string, unknown> }).said.size).toBe(1024);
});

test('the rate limit lets a burst through, then the rate', () => {
  const rate = new RateLimit(10);
  let passed = 0;
  for (let i = 0; i < 1000; i++) if (rate.take(0)) passed++;
  expect(passed).toBe(10);
  for (let t = 1; t <= 1000; t++) if (rate.take(t)) passed++;
  expect(passed).toBeGreaterThanOrEqual(19);
  expect(passed).toBeLessThanOrEqual(20);
  expect(rate.take(1e9)).toBe(true);
});
