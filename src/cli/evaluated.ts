/** An evaluation in a few lines, for a person at a terminal. Pure. */
import type { Curve } from '../evaluate/curve';
import type { Evaluation } from '../evaluate/evaluate';
import type { Robustness } from '../evaluate/robustness';
import type { Interval } from '../stats/interval';

const figure = (value: number | null, digits = 3): string => (value === null ? '-' : value.toFixed(digits));
const percent = (value: number | null): string => (value === null ? '-' : `${(100 * value).toFixed(1)} %`);
const within = (interval: Interval | null): string => (interval === null ? '' : ` (${percent(interval.low)} to ${percent(interval.high)})`);

export function summaryLines(found: Evaluation, curve: Curve | null, robust: Robustness | null): string[] {
  const { image, pixel, atLimit } = found;
  const lines = [
    `${found.images} pictures: ${found.good} good, ${found.bad} defective${found.unreadable > 0 ? `, ${found.unreadable} not scored` : ''}; ${figure(found.msPerImage, 1)} ms a picture`,
    `image   AUROC ${figure(image.auroc)}  AP ${figure(image.ap)}  mAP ${figure(image.map)}  F1 ${figure(image.f1)} at ${figure(image.f1Threshold)} (precision ${figure(image.precision)}, recall ${figure(image.recall)})`,
    pixel === null ? 'pixels  -' : `pixels  AUROC ${figure(pixel.auroc)}  AP ${figure(pixel.ap)}  AUPRO ${figure(pixel.aupro)}`,
  ];
  if (atLimit.limit !== null) {
    lines.push(
      `limit   ${figure(atLimit.limit)}${atLimit.provisional === true ? ' (provisional)' : ''}: false reject ${percent(atLimit.falseReject)}${within(atLimit.falseRejectInterval)}, escape ${percent(atLimit.escape)}${within(atLimit.escapeInterval)}, undecided ${percent(atLimit.undecided)}, not judged ${percent(atLimit.notJudged)}; 95 %, exact`,
    );
  }
  for (const [kind, { parts, auroc, escape: missed }] of Object.entries(found.perDefect))
    lines.push(`  ${kind}: ${parts} parts, AUROC ${figure(auroc)}${missed === null ? '' : `, escape ${percent(missed)}`}`);
  for (const { shots, auroc, least, most } of curve?.points ?? [])
    lines.push(`shots   ${String(shots).padStart(2)}  AUROC ${figure(auroc)} (${figure(least)} to ${figure(most)})`);
  if (curve !== null) lines.push(`        ${curve.advice}`);
  for (const row of robust?.rows ?? [])
    lines.push(
      `${row.name.padEnd(22)} AUROC ${figure(row.auroc)}  F1 ${figure(row.f1)}  false reject ${percent(row.falseReject)}  escape ${percent(row.escape)}  (${row.about})`,
    );
  return [...lines, ...found.statements, ...found.problems.map((problem) => `data set: ${problem}`)];
}
