/** CSV as spreadsheets of both habits read it (RFC 4180, CRLF). Text from outside never becomes a formula. */

export interface CsvForm {
  separator: ',' | ';' | '\t';
  /** Of numbers; a comma needs another separator than that. */
  decimal: '.' | ',';
}

export type Cell = string | number | null;

/** First in a file, so that a spreadsheet reads UTF-8. */
export const byteOrderMark = '\ufeff';

/** A spreadsheet takes what begins so for a formula; full-width forms too (OWASP, "CSV Injection"). */
const formula = /^[\s]*[=+\-@\uff1d\uff0b\uff0d\uff20|]|^[\t\r\n]/;

/** One line with its end. Empty cells for null and for numbers that are none. */
export function csvLine(cells: readonly Cell[], { separator, decimal }: CsvForm): string {
  const texts = cells.map((cell) => {
    if (cell === null) return '';
    if (typeof cell === 'number') return quoted(numeral(cell).replace('.', decimal), separator);
    const text = cell.replaceAll('\0', '');
    return quoted(formula.test(text) ? `'${text}` : text, separator);
  });
  return `${texts.join(separator)}\r\n`;
}

/** Without an exponent, which not every spreadsheet reads; 6 digits after the point are more than a score has. */
function numeral(value: number): string {
  if (!Number.isFinite(value)) return '';
  return Number.isInteger(value) ? value.toFixed(0) : value.toFixed(6).replace(/\.?0+$/, '');
}

function quoted(text: string, separator: string): string {
  return text.includes(separator) || /["\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
