/** Rows for a person: nothing wraps, and the reason is there. */
import { header, row } from '../../src/cli/table';
import { Code, Evaluation } from '../../src/codes';
import type { Report } from '../../src/line/line';
import { makeVerdict } from '../plc/support';

function report(verdict: Parameters<typeof makeVerdict>[0], partId = 'P0000017'): Report {
  const truth = { good: false, defect: 'contamination' };
  return { verdict: makeVerdict(verdict, { partId }), ok: 0, age: 1234.5, truth, source: null, overhead: null, ms: null, stages: {} };
}
const long = 'a reason as long as a path:\n/srv/pictures/of/a/line/that/has/a/very/long/name/indeed/part_0000000000000017.png: cut off';

test.each([80, 100, 120])('at %d columns no row wraps, however long part, reason and figures are', (columns) => {
  const failed = { evaluation: Evaluation.NotOK, code: Code.anomaly, released: 0 as const, score: 12.3456, limit: 1.2345 };
  const error = { evaluation: Evaluation.Undefined, code: Code.incompleteFrame, released: 0 as const, score: null, detail: long };
  expect(header.length).toBeLessThanOrEqual(80);
  for (const one of [report(failed), report(error), report(error, 'A'.repeat(32))]) {
    const text = row(one, false, columns);
    expect(text.length).toBeLessThanOrEqual(columns);
    expect(text).not.toContain('\n');
    expect(text).toMatch(/ (101 anomaly|303 a reason)/);
  }
});

test('where there is no terminal nothing is cut', () => {
  const text = row(report({ evaluation: Evaluation.Undefined, code: Code.incompleteFrame, released: 0, detail: long }), false);
  expect(text).toContain('part_0000000000000017.png: cut off');
});
