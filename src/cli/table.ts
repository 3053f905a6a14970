/**
 * Verdicts for a person at a terminal: one row a part, and a summary at the end. Pure text; the caller prints.
 */
import { Code, codes } from '../codes';
import type { Report } from '../line/line';
import type { Verdict } from '../ports';
import { quantile } from '../stats/quantile';
import { wordOf } from '../verdict_word';

const colours = { PASS: 32, FAIL: 31, UNDECIDED: 33, ERROR: 35 } as const; // ANSI: green, red, yellow, magenta

/** Together narrow enough that a short reason fits beside them in 80 columns. */
const widths = { part: 14, truth: 13, score: 6, limit: 6, verdict: 9, ok: 2, age: 7 };

export const header = [
  'part'.padEnd(widths.part),
  'truth'.padEnd(widths.truth),
  'score'.padStart(widths.score),
  'limit'.padStart(widths.limit),
  'verdict'.padEnd(widths.verdict),
  'ok'.padStart(widths.ok),
  'age'.padStart(widths.age),
  'why',
].join(' ');

/** Codes whose whole story is the two figures before them. */
const toldByFigures: ReadonlySet<Code> = new Set([Code.anomaly, Code.greyZone]);

function reasonOf({ code, detail }: Verdict): string {
  return `${code} ${toldByFigures.has(code) ? codes[code].name : detail || codes[code].text}`;
}

/** One part. `age` is trigger to verdict; with `colour`, the verdict is coloured; the reason ends at `columns`, if there is an end. */
export function row(report: Report, colour: boolean, columns: number | null = null): string {
  const { verdict, truth } = report;
  const word = wordOf(verdict);
  const shown = word.padEnd(widths.verdict);
  const age = report.age ?? verdict.timings.acquisitionDuration + verdict.timings.processingDuration;
  const why = word === 'PASS' ? '' : reasonOf(verdict);
  return [
    (verdict.part.partId || verdict.part.resultId).slice(-widths.part).padEnd(widths.part),
    (truth === null ? '-' : truth.good ? 'good' : (truth.defect ?? 'defective')).padEnd(widths.truth),
    number(verdict.score).padStart(widths.score),
    number(verdict.limit).padStart(widths.limit),
    colour ? `\u001b[${colours[word]}m${shown}\u001b[0m` : shown,
    String(report.ok).padStart(widths.ok),
    `${Math.round(age)} ms`.padStart(widths.age),
    columns === null ? why : cut(why, columns - header.length + 'why'.length),
  ]
    .join(' ')
    .trimEnd();
}

/** A row that wraps is no row; what is cut off stands in the log. */
function cut(text: string, room: number): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length <= Math.max(room, 1) ? line : `${line.slice(0, Math.max(room - 1, 0))}\u2026`;
}

function number(value: number | null): string {
  return value === null ? '-' : value.toFixed(2);
}

/** What a shift looked like: counts against the truth where it is known, and times. */
export class Summary {
  private readonly words = { PASS: 0, FAIL: 0, UNDECIDED: 0, ERROR: 0 };
  private readonly ages: number[] = [];
  private readonly overheads: number[] = [];
  private good = 0;
  private bad = 0;
  private falseRejects = 0;
  private escapes = 0;
  private released = 0;
  private simulated = 0;

  add(report: Report): void {
    const word = wordOf(report.verdict);
    this.words[word]++;
    if (report.age !== null) this.ages.push(report.age);
    if (report.overhead !== null) this.overheads.push(report.overhead);
    if (report.ok === 1) this.released++;
    if (report.verdict.part.simulated) this.simulated++;
    if (report.truth === null) return;
    if (report.truth.good) {
      this.good++;
      if (word !== 'PASS') this.falseRejects++;
    } else {
      this.bad++;
      if (word === 'PASS') this.escapes++;
    }
  }

  lines(): string[] {
    const parts = this.words.PASS + this.words.FAIL + this.words.UNDECIDED + this.words.ERROR;
    if (parts === 0) return ['no part was inspected'];
    const { PASS, FAIL, UNDECIDED, ERROR } = this.words;
    const lines = [`${parts} parts: ${PASS} PASS, ${FAIL} FAIL, ${UNDECIDED} UNDECIDED, ${ERROR} ERROR`];
    if (this.good + this.bad > 0) {
      lines.push(`false rejects ${this.falseRejects} of ${this.good} good parts, escapes ${this.escapes} of ${this.bad} defective parts`);
    }
    if (this.ages.length > 0) {
      const ms = (values: number[], q: number) => quantile(values, q).toFixed(1);
      lines.push(`trigger to verdict p50 ${ms(this.ages, 0.5)} ms, p99 ${ms(this.ages, 0.99)} ms`);
      lines.push(
        `of it verdictd's own (no camera, no preprocessing, no model) p50 ${ms(this.overheads, 0.5)} ms, p99 ${ms(this.overheads, 0.99)} ms`,
      );
    }
    if (this.simulated > 0 && this.released === 0) lines.push('ok stayed 0 on every part: a simulated camera never opens a gate');
    return lines;
  }
}
