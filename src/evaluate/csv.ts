/** CSV as people and spreadsheets write it (RFC 4180): quotes, doubled quotes, line breaks in quotes, CR LF, a BOM; commas or semicolons. */

/** Rows of cells; empty lines are left out. The separator is the one that the first line has more of. */
export function parseCsv(text: string): string[][] {
  const plain = text.startsWith('\uFEFF') ? text.slice(1) : text;
  const [head = ''] = plain.split('\n', 1);
  const separator = head.split(';').length > head.split(',').length ? ';' : ',';
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  const endRow = () => {
    row.push(cell);
    cell = '';
    if (row.some((one) => one.trim() !== '')) rows.push(row.map((one) => one.trim()));
    row = [];
  };
  for (let i = 0; i < plain.length; i++) {
    const char = plain[i];
    if (quoted) {
      if (char !== '"') cell += char;
      else if (plain[i + 1] === '"') {
        cell += '"';
        i++;
      } else quoted = false;
    } else if (char === '"' && cell.trim() === '') {
      quoted = true;
      cell = '';
    } else if (char === separator) {
      row.push(cell);
      cell = '';
    } else if (char === '\n') endRow();
    else if (char !== '\r') cell += char;
  }
  endRow();
  return rows;
}

/** Rows by the names of the first line, in lower case; null where one of `columns` is missing. */
export function parseTable(text: string, columns: readonly string[]): Record<string, string>[] | null {
  const [head = [], ...rows] = parseCsv(text);
  const names = head.map((name) => name.toLowerCase());
  if (columns.some((column) => !names.includes(column))) return null;
  return rows.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i] ?? ''])));
}

/** One line; what a spreadsheet would take for a formula is quoted with an apostrophe. */
export function csvLine(cells: readonly (string | number)[]): string {
  return cells
    .map((cell) => {
      const text = typeof cell === 'string' && /^[=+@\t\r-]/.test(cell) ? `'${cell}` : String(cell);
      return /[",;\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    })
    .join(',');
}
