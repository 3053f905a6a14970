/** Drawing in SVG text: escaped words, axes with round figures, paths. Pure. */

/** Text for HTML and SVG: nothing of a file name or a label becomes markup. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** Coordinates with one digit behind the point: a tenth of a pixel is seen by nobody. */
export const px = (value: number): string => String(Math.round(value * 10) / 10);

export interface Axis {
  from: number;
  to: number;
  /** Position of a value in px. */
  at(value: number): number;
  ticks: { value: number; label: string }[];
}

/** Steps of 1, 2 or 5 times a power of ten, about `count` of them. */
function roundStep(span: number, count: number): number {
  const raw = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const lead = raw / power;
  return (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10) * power;
}

/** `from` < `to` in values, `start` to `end` in px. */
export function linearAxis(from: number, to: number, start: number, end: number, count = 5): Axis {
  const step = roundStep(to - from, count);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks: Axis['ticks'] = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-9; i++)
    ticks.push({ value: i * step, label: (i * step).toFixed(digits) });
  return { from, to, at: (value) => start + ((value - from) / (to - from)) * (end - start), ticks };
}

/** As `linearAxis`, by the logarithm; 0 < `from` < `to`. */
export function logAxis(from: number, to: number, start: number, end: number): Axis {
  const ticks: Axis['ticks'] = [];
  for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power++)
    for (const lead of to / from < 6
      ? [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9]
      : to / from < 30
        ? [1, 2, 3, 5, 7]
        : to / from < 300
          ? [1, 2, 5]
          : [1]) {
      const value = lead * 10 ** power;
      if (value >= from && value <= to) ticks.push({ value, label: String(Number(value.toPrecision(2))) });
    }
  const span = Math.log(to / from);
  return { from, to, at: (value) => start + (Math.log(Math.max(value, from) / from) / span) * (end - start), ticks };
}

export interface Plot {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** Grid lines and figures of both axes with their names. */
export function grid(plot: Plot, x: Axis, y: Axis, names: { x: string; y: string }): string {
  const { left, right, top, bottom } = plot;
  const vertical = x.ticks.map(
    ({ value, label }) =>
      `<path class="grid" d="M${px(x.at(value))} ${top}V${bottom}"/><text class="tick" x="${px(x.at(value))}" y="${bottom + 16}" text-anchor="middle">${label}</text>`,
  );
  const horizontal = y.ticks.map(
    ({ value, label }) =>
      `<path class="grid" d="M${left} ${px(y.at(value))}H${right}"/><text class="tick" x="${left - 7}" y="${px(y.at(value) + 4)}" text-anchor="end">${label}</text>`,
  );
  const middle = (top + bottom) / 2;
  return `${vertical.join('')}${horizontal.join('')}<text class="name" x="${(left + right) / 2}" y="${bottom + 34}" text-anchor="middle">${escaped(names.x)}</text><text class="name" transform="translate(${left - 38} ${middle}) rotate(-90)" text-anchor="middle">${escaped(names.y)}</text>`;
}

export function svg(plot: Plot, title: string, content: string): string {
  return `<svg viewBox="0 0 ${plot.width} ${plot.height}" role="img" aria-label="${escaped(title)}"><title>${escaped(title)}</title>${content}</svg>`;
}

export function line(points: readonly (readonly [number, number])[]): string {
  return points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${px(x)} ${px(y)}`).join('');
}
