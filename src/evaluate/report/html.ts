/** The report: one HTML file with everything in it. No script, no link, no file beside it; it reads the same in ten years. Pure. */
import type { Bundle } from '../../bundle/manifest';
import { version } from '../../package';
import type { Recipe } from '../../recipe/recipe';
import type { Interval } from '../../stats/interval';
import type { Curve } from '../curve';
import type { Evaluation } from '../evaluate';
import type { Dataset } from '../item';
import type { Scored } from '../judge';
import type { Robustness } from '../robustness';
import { curveChart, histogram, prChart, rocChart, strips } from './charts';
import type { Showcase, Shown } from './showcase';
import { style } from './style';
import { escaped } from './svg';

export interface ReportInput {
  dataset: Dataset;
  bundle: Bundle;
  recipe: Recipe | null;
  evaluation: Evaluation;
  scored: readonly Scored[];
  curve: Curve | null;
  robust: Robustness | null;
  parts: readonly Showcase[];
  created: string; // UTC
}

const figure = (value: number | null | undefined, digits = 3): string => (value == null ? '\u2013' : value.toFixed(digits));
const percent = (value: number | null): string => (value === null ? '\u2013' : `${(100 * value).toFixed(1)}\u202f%`);
const between = (interval: Interval | null): string => (interval === null ? '' : `${percent(interval.low)} to ${percent(interval.high)}`);

function tile(what: string, value: string, more: string): string {
  return `<div class="tile"><span class="what">${escaped(what)}</span><b>${value}</b><span>${escaped(more)}</span></div>`;
}

function tiles({ image, pixel, atLimit, msPerImage, good, bad }: Evaluation): string {
  const shown = [
    tile('Image AUROC', figure(image.auroc), 'a bad part scores above a good one'),
    tile('Average precision', figure(image.ap), `mAP over kinds ${figure(image.map)}`),
  ];
  if (atLimit.limit === null)
    shown.push(tile('Best F1', figure(image.f1), `precision ${figure(image.precision, 2)}, recall ${figure(image.recall, 2)}`));
  else
    shown.push(
      tile(
        'False rejects',
        percent(atLimit.falseReject),
        atLimit.falseRejectInterval === null ? 'no good part' : `of ${good} good; ${between(atLimit.falseRejectInterval)}`,
      ),
      tile(
        'Escapes',
        percent(atLimit.escape),
        atLimit.escapeInterval === null ? 'no defective part' : `of ${bad} bad; ${between(atLimit.escapeInterval)}`,
      ),
    );
  if (pixel !== null) shown.push(tile('Pixel AUROC', figure(pixel.auroc), `AP ${figure(pixel.ap)}, AUPRO ${figure(pixel.aupro)}`));
  shown.push(tile('Time a picture', `${figure(msPerImage, 0)}\u202fms`, 'from file to score, this machine'));
  return `<div class="tiles">${shown.join('')}</div>`;
}

function section(title: string, sub: string, content: string, kind = ''): string {
  return `<section${kind === '' ? '' : ` class="${kind}"`}><h2>${escaped(title)}</h2><p class="sub">${escaped(sub)}</p>${content}</section>`;
}

/** What the station would have said, truth by verdict. Colour: good or bad by the truth, stronger the more parts. */
function confusion({ atLimit, good, bad }: Evaluation): string {
  const { confusion: found } = atLimit;
  if (found === null) return '';
  const words = ['PASS', 'FAIL', 'UNDECIDED', 'ERROR'] as const;
  const right = { good: 'PASS', bad: 'FAIL' } as const;
  const row = (name: 'good' | 'bad', label: string, total: number) =>
    `<div class="l">${label}</div>${words
      .map((word) => {
        const count = found[name][word];
        const colour = word === right[name] ? 'var(--accent)' : word === 'PASS' || word === 'FAIL' ? 'var(--bad)' : 'var(--soft)';
        const note =
          total === 0 || count === 0
            ? '&nbsp;'
            : word === right[name]
              ? 'right'
              : word === 'PASS'
                ? 'escaped'
                : word === 'FAIL'
                  ? 'false reject'
                  : word === 'ERROR'
                    ? 'picture refused'
                    : 'grey zone';
        return `<div class="c" style="--c:${colour};--w:${total === 0 ? 0 : (count / total).toFixed(2)}"><b>${count}</b><small>${note}</small></div>`;
      })
      .join('')}`;
  const heads = `<div class="h"></div>${words.map((word) => `<div class="h">${word}</div>`).join('')}`;
  const agreement =
    atLimit.kappa === null
      ? ''
      : ` Agreement with the labels beyond chance: kappa ${(Math.round(atLimit.kappa * 100) / 100 + 0).toFixed(2)}.`;
  return section(
    'At the limit',
    `What the station would have said. A gate opens on PASS only.${agreement}`,
    `<div class="confusion">${heads}${row('good', 'good', good)}${row('bad', 'defective', bad)}</div>`,
  );
}

function defects({ perDefect }: Evaluation): string {
  const rows = Object.entries(perDefect).map(
    ([kind, one]) =>
      `<tr><td>${escaped(kind)}</td><td>${one.parts}</td><td>${figure(one.auroc)}</td><td>${figure(one.ap)}</td><td>${percent(one.escape)} <small>${between(one.escapeInterval)}</small></td></tr>`,
  );
  return `<table><tr><th>kind of defect</th><th>parts</th><th>AUROC</th><th>AP</th><th>escapes <small>(95 %, exact)</small></th></tr>${rows.join('')}</table>`;
}

function partFigure({ scored, width, height, picture, heat, outline }: Shown, limit: number | null): string {
  const { item, score, verdict } = scored;
  const layer = heat === '' ? '' : `<image href="${heat}" width="${width}" height="${height}" preserveAspectRatio="none"/>`;
  const border = outline === null ? '' : `<path class="outline-dark" d="${outline}"/><path class="outline" d="${outline}"/>`;
  const drawn = `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(item.name)}"><image href="${picture}" width="${width}" height="${height}"/>${layer}${border}</svg>`;
  const word = verdict === null ? '' : ` <span class="word ${verdict}">${verdict}</span>`;
  const against = limit === null ? '' : ` / ${limit.toFixed(2)}`;
  return `<figure class="part">${drawn}<figcaption><b>${score.toFixed(2)}</b>${against}${word}<br><span title="${escaped(item.name)}">${escaped(item.name)}</span></figcaption></figure>`;
}

function gallery(rows: readonly Showcase[], limit: number | null, outlined: boolean): string {
  if (rows.length === 0) return '';
  const content = rows
    .map(
      ({ title, about, parts }) =>
        `<p class="row-title">${escaped(title)} <span>\u00b7 ${escaped(about)}</span></p><div class="parts">${parts.map((part) => partFigure(part, limit)).join('')}</div>`,
    )
    .join('');
  const colours = 'Heat has one scale for all parts: a good part is warm at most at its oddest spot.';
  return section('Parts', `${colours}${outlined ? ' The white line is the labelled defect.' : ''}`, content);
}

function robustTable({ rows, search, parts }: Robustness): string {
  const body = rows.map(
    (row) =>
      `<tr><td>${escaped(row.name)} <small>${escaped(row.about)}</small></td><td>${row.parts}</td><td>${figure(row.auroc)}<span class="bar"><i style="width:${(100 * (row.auroc ?? 0)).toFixed(0)}%"></i></span></td><td>${figure(row.f1)}</td><td>${percent(row.falseReject)}</td><td>${percent(row.escape)}</td><td>${percent(row.notJudged)}</td></tr>`,
  );
  return section(
    'Robustness',
    `${parts.good} good and ${parts.bad} defective parts, each disturbed with a fixed seed; the adversarial search sees the score alone and takes the worst of ${search.budget} pictures within \u00b1${search.epsilon} of 255.`,
    `<table><tr><th>disturbance</th><th>parts</th><th>AUROC</th><th>best F1</th><th>false rejects</th><th>escapes</th><th>refused</th></tr>${body.join('')}</table>`,
  );
}

function listed(title: string, sentences: readonly string[], most: number): string {
  if (sentences.length === 0) return '';
  const items = sentences.slice(0, most).map((sentence) => `<li>${escaped(sentence)}</li>`);
  if (sentences.length > most) items.push(`<li>and ${sentences.length - most} more (all of them with --json)</li>`);
  return `<section class="said"><h2>${escaped(title)}</h2><ul>${items.join('')}</ul></section>`;
}

function provenance({ dataset, bundle, recipe, created, evaluation }: ReportInput): string {
  const { manifest } = bundle;
  const rows: [string, string][] = [
    [
      'data set',
      `${dataset.root.split('/').at(-1) ?? ''} (${dataset.layout}), ${evaluation.images} pictures; SHA-256 over names and contents ${dataset.fingerprint}`,
    ],
    [
      'hash lists',
      dataset.hashed.md5 + dataset.hashed.sha256 === 0
        ? 'none there'
        : `${dataset.hashed.sha256} files as SHA-256 lists them, ${dataset.hashed.md5} as MD5`,
    ],
    [
      'bundle',
      `${manifest.name} ${manifest.version}, method ${manifest.method}, ${manifest.input.width} x ${manifest.input.height}; manifest ${bundle.sha256}`,
    ],
  ];
  if (recipe !== null) {
    const { file } = recipe;
    rows.push(
      ['recipe', `${file.id}, revision ${file.revision}, ${file.shots.length} shots, symmetry ${file.symmetry}; bank ${file.bank.sha256}`],
      [
        'limit',
        `${file.limit.value.toFixed(4)}${file.limit.provisional ? ' (provisional)' : ''}, for at most ${percent(file.limit.falseReject)} false rejects: ${file.limit.rule}`,
      ],
    );
  }
  rows.push([
    'best F1',
    `${figure(evaluation.image.f1)} at ${figure(evaluation.image.f1Threshold)}: chosen on these very parts, to compare models by; no limit to set`,
  ]);
  rows.push(['made', `${created} by verdictd ${version}`]);
  return `<section><h2>What this is about</h2><dl>${rows.map(([term, text]) => `<dt>${term}</dt><dd>${escaped(text)}</dd>`).join('')}</dl></section>`;
}

export function reportHtml(input: ReportInput): string {
  const { dataset, bundle, recipe, evaluation, scored, curve, robust, parts } = input;
  const name = dataset.root.split('/').at(-1) ?? 'data set';
  const limit = recipe === null ? null : { value: recipe.file.limit.value, grey: recipe.file.limit.grey };
  const both = evaluation.good > 0 && evaluation.bad > 0;
  const judge =
    recipe === null
      ? `${bundle.manifest.name} without a recipe`
      : `recipe ${recipe.file.title}, ${recipe.file.shots.length} shots, bundle ${bundle.manifest.name}`;
  const outlined = parts.some((row) => row.parts.some(({ outline }) => outline !== null));
  const content = [
    `<header><p class="eyebrow">verdictd evaluation</p><h1>${escaped(name)}</h1><p class="sub">${evaluation.good} good and ${evaluation.bad} defective parts, judged by ${escaped(judge)}</p></header>`,
    tiles(evaluation),
    section('Scores', 'Good parts upwards, defective parts downwards. What lies right of the limit is rejected.', histogram(scored, limit)),
    confusion(evaluation),
    both
      ? `<div class="pair">${section('ROC', `AUROC ${figure(evaluation.image.auroc)}`, rocChart(scored, limit?.value ?? null))}${section('Precision and recall', `average precision ${figure(evaluation.image.ap)}`, prChart(scored, limit?.value ?? null))}</div>`
      : '',
    section(
      'By kind of defect',
      'Each kind against all good parts.',
      strips(scored, limit) + (evaluation.bad > 0 ? defects(evaluation) : ''),
    ),
    gallery(parts, limit?.value ?? null, outlined),
    curve === null
      ? ''
      : section('How many shots', `${curve.advice} Mean and range over ${curve.points[0]?.draws ?? 0} draws.`, curveChart(curve)),
    robust === null ? '' : robustTable(robust),
    listed('What these figures do not say by themselves', evaluation.statements, 20),
    listed('About the data set', evaluation.problems, 20),
    provenance(input),
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"><title>${escaped(name)} \u00b7 verdictd evaluation</title><style>${style}</style></head>
<body><main>${content.join('\n')}</main></body></html>
`;
}
