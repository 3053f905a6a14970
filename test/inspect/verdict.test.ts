import { Code, codes, Evaluation, ResultState } from '../../src/codes';
import { type Circumstances, judgeBy, type Policy, type Terms } from '../../src/inspect/verdict';
import type { Outcome } from '../../src/ports';

const found = (score: number): Outcome => ({
  kind: 'findings',
  findings: { score, mapMax: score, map: null, probabilities: null, provider: 'cpu', ms: { queue: 0, model: 1, bank: 0 } },
});
const fault = (code: Code): Outcome => ({ kind: 'fault', code, detail: 'a reason' });
const policy = (over: Partial<{ acceptSimulated: boolean; acceptProvisional: boolean; teaching: boolean }> = {}): Policy => ({
  acceptSimulated: over.acceptSimulated ?? false,
  acceptProvisional: over.acceptProvisional ?? false,
  teaching: () => over.teaching ?? false,
});
const terms = (over: Partial<Terms['limit']> = {}): Terms => ({ limit: { value: 2, grey: 0, provisional: false, ...over } });
const circumstances = (over: Partial<Circumstances['part']> & { late?: boolean; operational?: boolean } = {}): Circumstances => ({
  part: { seq: over.seq ?? 17, simulated: over.simulated ?? false },
  late: over.late ?? false,
  operational: over.operational ?? true,
});
const judge = judgeBy(policy());

const allCodes = Object.keys(codes).map(Number) as Code[];

test.each(allCodes)('a fault of code %d is never released and never without a code', (code) => {
  const { evaluation, state, released, code: said } = judge(fault(code), terms(), circumstances());
  expect({ evaluation, released }).toEqual({ evaluation: Evaluation.Undefined, released: 0 });
  expect(said).toBe(code === Code.ok ? Code.notANumber : code);
  expect(state).toBe(code === Code.notReady || code === Code.mismatch ? ResultState.Aborted : ResultState.Failed);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0.001])('a score of %p is a failed inference', (score) => {
  const judgement = judge(found(score), terms(), circumstances());
  expect(judgement).toMatchObject({ evaluation: 0, code: 403, state: ResultState.Failed, released: 0 });
});

test.each([{ value: Number.NaN }, { value: 0 }, { value: -1 }, { value: Number.POSITIVE_INFINITY }, { grey: Number.NaN }, { grey: -1 }])(
  'a limit of %p releases nothing',
  (limit) => {
    const judgement = judge(found(0), terms(limit), circumstances());
    expect(judgement).toMatchObject({ evaluation: 0, code: 603, state: ResultState.Failed, released: 0 });
  },
);

test('without a recipe there is nothing to judge by', () => {
  expect(judge(found(0), null, circumstances())).toMatchObject({ evaluation: 0, code: 601, state: ResultState.Failed, released: 0 });
});

test.each([
  [1.999, 0, Evaluation.OK, 0],
  [2, 0, Evaluation.OK, 0], // at the limit is OK
  [2.001, 0, Evaluation.NotOK, 101],
  [1.499, 0.5, Evaluation.OK, 0],
  [1.5, 0.5, Evaluation.NotDecidable, 102],
  [2, 0.5, Evaluation.NotDecidable, 102],
  [2.5, 0.5, Evaluation.NotDecidable, 102],
  [2.501, 0.5, Evaluation.NotOK, 101],
])('score %p with a grey zone of %p: evaluation %p, code %p', (score, grey, evaluation, code) => {
  const judgement = judge(found(score), terms({ grey }), circumstances());
  expect(judgement).toMatchObject({ evaluation, code, state: ResultState.Completed, released: code === 0 ? 1 : 0 });
});

test('what withholds a good part says so', () => {
  const cases: [Partial<Parameters<typeof circumstances>[0]>, Parameters<typeof policy>[0], Partial<Terms['limit']>, number][] = [
    [{ simulated: true }, {}, {}, 605],
    [{ seq: 0 }, {}, {}, 207],
    [{ seq: 0, simulated: true }, {}, {}, 207],
    [{}, {}, { provisional: true }, 603],
    [{}, { teaching: true }, {}, 606],
    [{ operational: false }, {}, {}, 202],
    [{ late: true }, {}, {}, 402],
    [{ simulated: true }, { acceptSimulated: true }, {}, 0],
    [{}, { acceptProvisional: true }, { provisional: true }, 0],
  ];
  for (const [now, rule, limit, code] of cases) {
    const judgement = judgeBy(policy(rule))(found(1), terms(limit), circumstances(now));
    expect(judgement).toMatchObject({ evaluation: 1, state: 1, code, released: code === 0 ? 1 : 0 });
  }
});

/** The contract's definition of `ok` but for the commit and the age, written a second time, over every combination. */
test('the whole truth table: released exactly when the contract says so, and else with a code', () => {
  const flags = [false, true];
  const outcomes = [found(1), found(2), found(3), found(Number.NaN), fault(Code.cameraLost), fault(Code.ok)];
  const limits = [null, terms(), terms({ provisional: true }), terms({ grey: 0.5 }), terms({ grey: 0.5, provisional: true })];
  let cases = 0;
  let passes = 0;
  for (const outcome of outcomes)
    for (const limit of limits)
      for (const simulated of flags)
        for (const acceptSimulated of flags)
          for (const acceptProvisional of flags)
            for (const teaching of flags)
              for (const operational of flags)
                for (const late of flags)
                  for (const seq of [0, 1, 2147483647, -1, 1.5]) {
                    const judgement = judgeBy(policy({ acceptSimulated, acceptProvisional, teaching }))(
                      outcome,
                      limit,
                      circumstances({ simulated, operational, late, seq }),
                    );
                    const ok =
                      judgement.state === ResultState.Completed &&
                      judgement.evaluation === Evaluation.OK &&
                      (!simulated || acceptSimulated) &&
                      !teaching &&
                      limit !== null &&
                      (!limit.limit.provisional || acceptProvisional) &&
                      operational &&
                      !late &&
                      Number.isInteger(seq) &&
                      seq > 0;
                    expect(judgement.released).toBe(ok ? 1 : 0);
                    expect(judgement.code === Code.ok).toBe(ok);
                    expect(judgement.detail === '').toBe(ok);
                    // Evaluation is 0 exactly where the state is Aborted or Failed.
                    expect(judgement.evaluation === Evaluation.Undefined).toBe(judgement.state !== ResultState.Completed);
                    // What is released was found good: it can be nothing but a score at or below the limit, outside the grey zone.
                    if (ok) expect(outcome === outcomes[0] || (outcome === outcomes[1] && limit.limit.grey === 0)).toBe(true);
                    cases++;
                    passes += judgement.released;
                  }
  expect(cases).toBe(6 * 5 * 64 * 5);
  expect(passes).toBeGreaterThan(0);
});

describe('what no part passes under', () => {
  const withheld = { code: Code.teaching, detail: 'a master part', unjudged: false } as const;

  test('a job whose parts are withheld: what was found stands under code 606, a fault keeps its own, nothing is released', () => {
    const under = { ...terms(), withheld };
    expect(judge(found(1), under, circumstances())).toMatchObject({ evaluation: Evaluation.OK, code: 606, released: 0, state: 1 });
    expect(judge(found(3), under, circumstances())).toMatchObject({ evaluation: Evaluation.NotOK, code: 606, released: 0, state: 1 });
    expect(judge(fault(Code.blur), under, circumstances())).toMatchObject({ evaluation: Evaluation.Undefined, code: 305, released: 0 });
  });

  test('a job that judges nothing: no evaluation, whatever the score', () => {
    const under = { ...terms(), withheld: { ...withheld, unjudged: true } };
    expect(judge(found(0), under, circumstances())).toMatchObject({ evaluation: 0, code: 606, released: 0, state: ResultState.Aborted });
  });

  test('a master check that is due: a good part gets 602, a bad one its own code', () => {
    const due = judgeBy({ ...policy(), masterDue: () => true });
    expect(due(found(1), terms(), circumstances())).toMatchObject({ evaluation: Evaluation.OK, code: 602, released: 0 });
    expect(due(found(3), terms(), circumstances())).toMatchObject({ evaluation: Evaluation.NotOK, code: 101, released: 0 });
  });
});

describe('a part that another recipe knows better', () => {
  const like = (own: number, there: number): Outcome => {
    const outcome = found(own);
    if (outcome.kind !== 'findings') return outcome;
    return { kind: 'findings', findings: { ...outcome.findings, nearest: { recipe: { id: 'other', number: 7 }, score: there, own } } };
  };
  const under = { ...terms(), wrongPartMargin: 1.5 };

  test.each([
    [1.5, 1, 307], // at the margin
    [9, 1, 307],
    [1.4, 1, 0],
    [1, 9, 0],
    [3, 2.5, 101],
    [1, Number.NaN, 307], // a comparison that cannot be made is no pass
  ])('score %p here, %p there: code %p', (own, there, code) => {
    const judgement = judge(like(own, there), under, circumstances());
    expect(judgement).toMatchObject({ code, released: code === 0 ? 1 : 0 });
    if (code === 307) expect(judgement).toMatchObject({ evaluation: 0, state: ResultState.Failed });
  });

  test('it says which; and without a margin nobody asks', () => {
    expect(judge(like(9, 1), under, circumstances()).detail).toContain('recipe other (number 7)');
    expect(judge(like(1.9, 0.1), terms(), circumstances())).toMatchObject({ code: 0, released: 1 });
  });
});
