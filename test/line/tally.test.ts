import { Evaluation } from '../../src/codes';
import { Tally } from '../../src/line/tally';
import { makeVerdict } from '../plc/support';

test('before the first part: zeros, no NaN and no infinity', () => {
  expect(new Tally(() => 3).read()).toEqual({ triggers: 3, ok: 0, ng: 0, undecided: 0, errors: 0, timeMin: 0, timeAvg: 0, timeMax: 0 });
});

test('each evaluation has its counter; times are of answered parts only', () => {
  const tally = new Tally(() => 5);
  const part = (evaluation: Evaluation, age: number | null) => tally.add({ verdict: makeVerdict({ evaluation }), age });
  part(Evaluation.OK, 100);
  part(Evaluation.OK, 300);
  part(Evaluation.NotOK, 200);
  part(Evaluation.NotDecidable, null);
  part(Evaluation.Undefined, null);
  expect(tally.read()).toEqual({ triggers: 5, ok: 2, ng: 1, undecided: 1, errors: 1, timeMin: 100, timeAvg: 200, timeMax: 300 });
});
