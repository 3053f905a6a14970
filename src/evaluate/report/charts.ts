/** The charts of a report, each an SVG of its own. Pure. Good parts are blue, defective ones orange: told apart by the colour-blind too. */
import { quantile } from '../../stats/quantile';
import { rank, type Step } from '../../stats/rank';
import type { Curve } from '../curve';
import { split } from '../figures';
import type { Scored } from '../judge';
import { type Axis, escaped, grid, line, linearAxis, logAxis, type Plot, px, svg } from './svg';

/** More points than this on a curve are closer together than a pixel. */
const mostPoints = 400;

function thinned(steps: readonly Step[]): Step[] {
  const every = Math.ceil(steps.length / mostPoints);
  return steps.filter((_, i) => i % every === 0 || i === steps.length - 1);
}

function ranked(scored: readonly Scored[]) {
  return rank(
    scored.map(({ score }) => score),
    scored.map(({ item }) => !item.good),
  );
}

const square: Plot = { width: 380, height: 340, left: 56, right: 366, top: 14, bottom: 296 };

/** Where a limit lies on a curve: the steps above it are rejected. */
function atLimit(steps: readonly Step[], limit: number | null): Pick<Step, 'truePositives' | 'falsePositives'> | null {
  if (limit === null) return null;
  return steps.findLast(({ score }) => score > limit) ?? { truePositives: 0, falsePositives: 0 };
}

function mark(x: number, y: number, text: string, anchor: 'start' | 'end', dy: number): string {
  return `<circle class="mark" cx="${px(x)}" cy="${px(y)}" r="5"/><text class="note" x="${px(x + (anchor === 'start' ? 10 : -10))}" y="${px(y + dy)}" text-anchor="${anchor}">${escaped(text)}</text>`;
}

/** Defects found by false rejects, over every limit. */
export function rocChart(scored: readonly Scored[], limit: number | null): string {
  const { bad, good, steps } = ranked(scored);
  const x = linearAxis(0, 1, square.left, square.right);
  const y = linearAxis(0, 1, square.bottom, square.top);
  const points = thinned(steps).map(
    ({ truePositives, falsePositives }) => [x.at(falsePositives / good), y.at(truePositives / bad)] as const,
  );
  const start = [x.at(0), y.at(0)] as const;
  const path = line([start, ...points]);
  const here = atLimit(steps, limit);
  const point = here === null ? '' : mark(x.at(here.falsePositives / good), y.at(here.truePositives / bad), 'at the limit', 'start', 20);
  const chance = `<path class="chance" d="${line([start, [x.at(1), y.at(1)]])}"/>`;
  const area = `<path class="area" d="${path}L${px(x.at(1))} ${px(y.at(0))}Z"/>`;
  const content = `${grid(square, x, y, { x: 'share of good parts rejected', y: 'share of defective parts found' })}${chance}${area}<path class="curve" d="${path}"/>${point}`;
  return svg(square, 'ROC: defects found by false rejects', content);
}

/** How many of the rejected are really defective, by the share of defects found. */
export function prChart(scored: readonly Scored[], limit: number | null): string {
  const { bad, steps } = ranked(scored);
  const x = linearAxis(0, 1, square.left, square.right);
  const y = linearAxis(0, 1, square.bottom, square.top);
  const at = ({ truePositives, falsePositives }: Pick<Step, 'truePositives' | 'falsePositives'>) =>
    [x.at(truePositives / bad), y.at(truePositives / Math.max(1, truePositives + falsePositives))] as const;
  const points = thinned(steps).map(at);
  const [first] = points;
  const path = line(first === undefined ? [] : [[x.at(0), first[1]], ...points]);
  const here = atLimit(steps, limit);
  const point =
    here === null || here.truePositives + here.falsePositives === 0
      ? ''
      : mark(...at(here), 'at the limit', at(here)[0] > (square.left + square.right) / 2 ? 'end' : 'start', 22);
  const area = `<path class="area" d="${path}L${px(x.at(1))} ${px(y.at(0))}L${px(x.at(0))} ${px(y.at(0))}Z"/>`;
  return svg(
    square,
    'Precision by recall',
    `${grid(square, x, y, { x: 'share of defective parts found (recall)', y: 'rejected rightly (precision)' })}${area}<path class="curve" d="${path}"/>${point}`,
  );
}

const wide: Plot = { width: 800, height: 300, left: 56, right: 786, top: 26, bottom: 256 };
const bins = 48;

/** Scores of good parts upwards, of defective ones downwards, with the limit between them. */
export function histogram(scored: readonly Scored[], limit: { value: number; grey: number } | null): string {
  const { good, bad } = split(scored);
  const scores = scored.map(({ score }) => score);
  const marks = limit === null ? [] : [limit.value];
  const least = Math.min(...scores, ...marks);
  const most = Math.max(...scores, ...marks);
  const logarithmic = least > 0 && most / least > 4;
  const pad = most === least ? Math.max(Math.abs(most) * 0.1, 1e-6) : (most - least) * 0.03;
  const x = logarithmic
    ? logAxis(least / 1.04, most * 1.04, wide.left, wide.right)
    : linearAxis(least - pad, most + pad, wide.left, wide.right, 10);
  const binOf = (score: number) =>
    Math.min(bins - 1, Math.max(0, Math.floor(((x.at(score) - wide.left) / (wide.right - wide.left)) * bins)));
  const countsOf = (list: readonly Scored[]) => {
    const counts = new Array<number>(bins).fill(0);
    for (const { score } of list) counts[binOf(score)] = (counts[binOf(score)] ?? 0) + 1;
    return counts;
  };
  const [above, below] = [countsOf(good), countsOf(bad)];
  const tallest = Math.max(1, ...above, ...below);
  const hasBoth = good.length > 0 && bad.length > 0;
  const middle = hasBoth ? (wide.top + wide.bottom) / 2 : good.length > 0 ? wide.bottom : wide.top;
  const unit = (hasBoth ? (wide.bottom - wide.top) / 2 : wide.bottom - wide.top) / (tallest * 1.06);
  const step = (wide.right - wide.left) / bins;
  const bars = (counts: readonly number[], kind: 'good' | 'bad') =>
    counts
      .map((count, i) => {
        if (count === 0) return '';
        const height = count * unit;
        return `<rect class="${kind}" x="${px(wide.left + i * step + 0.6)}" y="${px(kind === 'good' ? middle - height : middle)}" width="${px(step - 1.2)}" height="${px(height)}" rx="1.5"><title>${count} ${kind === 'good' ? 'good' : 'defective'}</title></rect>`;
      })
      .join('');
  const ticks = x.ticks
    .map(
      ({ value, label }) =>
        `<path class="grid" d="M${px(x.at(value))} ${wide.top}V${wide.bottom}"/><text class="tick" x="${px(x.at(value))}" y="${wide.bottom + 16}" text-anchor="middle">${label}</text>`,
    )
    .join('');
  const names = `<text class="side good-text" x="${wide.right - 4}" y="${px(wide.top + 12)}" text-anchor="end">${good.length} good</text><text class="side bad-text" x="${wide.right - 4}" y="${wide.bottom - 6}" text-anchor="end">${bad.length} defective</text>`;
  const base = `<path class="base" d="M${wide.left} ${px(middle)}H${wide.right}"/>`;
  const axis = `<text class="name" x="${(wide.left + wide.right) / 2}" y="${wide.bottom + 36}" text-anchor="middle">score${logarithmic ? ' (logarithmic)' : ''}</text><text class="name" transform="translate(22 ${(wide.top + wide.bottom) / 2}) rotate(-90)" text-anchor="middle">parts</text><text class="tick" x="${wide.left - 7}" y="${px(middle - tallest * unit + 4)}" text-anchor="end">${tallest}</text><text class="tick" x="${wide.left - 7}" y="${px(middle + 4)}" text-anchor="end">0</text>`;
  return svg(
    wide,
    'Scores of good and defective parts',
    `${ticks}${bars(above, 'good')}${bars(below, 'bad')}${base}${limitLine(x, limit)}${names}${axis}`,
  );
}

function limitLine(x: Axis, limit: { value: number; grey: number } | null): string {
  if (limit === null) return '';
  const at = x.at(limit.value);
  const left = x.at(Math.max(x.from, limit.value - limit.grey));
  const right = x.at(Math.min(x.to, limit.value + limit.grey));
  const zone =
    limit.grey > 0
      ? `<rect class="zone" x="${px(left)}" y="${wide.top}" width="${px(right - left)}" height="${wide.bottom - wide.top}"/>`
      : '';
  const anchor = at > (wide.left + wide.right) / 2 ? 'end' : 'start';
  return `${zone}<path class="limit" d="M${px(at)} ${wide.top - 14}V${wide.bottom}"/><text class="note" x="${px(at + (anchor === 'start' ? 7 : -7))}" y="${wide.top - 4}" text-anchor="${anchor}">limit ${limit.value.toFixed(3)}</text>`;
}

const low: Plot = { width: 800, height: 260, left: 56, right: 786, top: 14, bottom: 216 };

/** AUROC by shots, mean with the spread over draws. */
export function curveChart({ points }: Curve): string {
  const least = Math.min(...points.map((point) => point.least));
  const y = linearAxis(Math.max(0, Math.floor((least - 0.01) * 20) / 20), 1, low.bottom, low.top, 5);
  const place = (i: number) => low.left + ((i + 0.5) / points.length) * (low.right - low.left);
  const x: Axis = {
    from: 0,
    to: points.length - 1,
    at: place,
    ticks: points.map(({ shots }, i) => ({ value: i, label: String(shots) })),
  };
  const band = [
    ...points.map((p, i) => [place(i), y.at(p.most)] as const),
    ...points.map((p, i) => [place(i), y.at(p.least)] as const).reverse(),
  ];
  const dots = points
    .map(
      (p, i) =>
        `<path class="whisker" d="M${px(place(i))} ${px(y.at(p.least))}V${px(y.at(p.most))}"/><circle class="dot" cx="${px(place(i))}" cy="${px(y.at(p.auroc))}" r="4.5"/><text class="note" x="${px(place(i) + 9)}" y="${px(y.at(p.auroc) + 17)}">${p.auroc.toFixed(3)}</text>`,
    )
    .join('');
  const path = line(points.map((p, i) => [place(i), y.at(p.auroc)] as const));
  return svg(
    low,
    'AUROC by number of shots',
    `${grid(low, x, y, { x: 'shots (good parts shown)', y: 'image AUROC' })}<path class="area" d="${line(band)}Z"/><path class="curve" d="${path}"/>${dots}`,
  );
}

/** Scores of each kind as a strip of dots, good first: which defects lie near the limit. */
export function strips(scored: readonly Scored[], limit: { value: number; grey: number } | null): string {
  const { good, kinds } = split(scored);
  const rows: [string, readonly Scored[]][] = [...(good.length > 0 ? ([['good', good]] as [string, Scored[]][]) : []), ...kinds];
  const rowHeight = 30;
  const labelWidth = 150;
  const plot: Plot = {
    width: 800,
    height: rows.length * rowHeight + 60,
    left: labelWidth,
    right: 786,
    top: 20,
    bottom: rows.length * rowHeight + 20,
  };
  const scores = scored.map(({ score }) => score);
  const least = Math.min(...scores, limit?.value ?? Number.POSITIVE_INFINITY);
  const most = Math.max(...scores, limit?.value ?? Number.NEGATIVE_INFINITY);
  const span = most - least || Math.max(Math.abs(most) * 0.2, 1e-6);
  const x =
    least > 0 && most / least > 4
      ? logAxis(least / 1.04, most * 1.04, plot.left, plot.right)
      : linearAxis(least - span * 0.03, most + span * 0.03, plot.left, plot.right, 8);
  const ticks = x.ticks
    .map(
      ({ value, label }) =>
        `<path class="grid" d="M${px(x.at(value))} ${plot.top}V${plot.bottom}"/><text class="tick" x="${px(x.at(value))}" y="${plot.bottom + 16}" text-anchor="middle">${label}</text>`,
    )
    .join('');
  const body = rows
    .map(([kind, list], i) => {
      const y = plot.top + (i + 0.5) * rowHeight;
      const shown = list.length > mostPoints ? list.filter((_, n) => n % Math.ceil(list.length / mostPoints) === 0) : list;
      const dots = shown
        .map(
          ({ score }, n) =>
            `<circle class="${i === 0 && good.length > 0 ? 'good' : 'bad'} strip" cx="${px(x.at(score))}" cy="${px(y + ((n * 5) % 11) - 5)}" r="3"/>`,
        )
        .join('');
      const middle = quantile(
        list.map(({ score }) => score),
        0.5,
      );
      const name = kind.length > 20 ? `${kind.slice(0, 19)}\u2026` : kind;
      return `<text class="row" x="${plot.left - 12}" y="${px(y + 4)}" text-anchor="end">${escaped(name)} <tspan class="tick">${list.length}</tspan></text>${dots}<path class="median" d="M${px(x.at(middle))} ${px(y - 10)}V${px(y + 10)}"/>`;
    })
    .join('');
  const lineAt = limit === null ? '' : `<path class="limit" d="M${px(x.at(limit.value))} ${plot.top - 8}V${plot.bottom}"/>`;
  return svg(
    plot,
    'Scores by kind of defect',
    `${ticks}${body}${lineAt}<text class="name" x="${(plot.left + plot.right) / 2}" y="${plot.bottom + 34}" text-anchor="middle">score, each part a dot; the bar is the median</text>`,
  );
}
