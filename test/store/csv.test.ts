import { csvLine } from '../../src/store/csv';
import { localTime, shiftOf } from '../../src/store/shift';

const plain = { separator: ',', decimal: '.' } as const;

describe('a line of CSV', () => {
  test.each(['=1+1', '+49', '-2+3', '@SUM(A1)', ' =cmd|"/c calc"!A1', '\t=1', '\r=1', '\uff1d1+1', '|calc'])(
    'text that a spreadsheet takes for a formula is text: %j',
    (text) => {
      const line = csvLine([text], plain);
      expect(line.replace(/^"/, '').startsWith("'")).toBe(true);
    },
  );

  test('separators, quotes and line ends within a cell stay in it', () => {
    expect(csvLine(['a,b', 'say "no"', 'two\nlines', 'NUL\0'], plain)).toBe('"a,b","say ""no""","two\nlines",NUL\r\n');
    expect(csvLine(['a,b', 'a;b'], { separator: ';', decimal: ',' })).toBe('a,b;"a;b"\r\n');
  });

  test('numbers have no exponent, no thousands, and the sign that is asked for', () => {
    expect(csvLine([1.5, -0.25, 1e-9, 3, 1 / 3, 1e15, Number.NaN, null, ''], plain)).toBe('1.5,-0.25,0,3,0.333333,1000000000000000,,,\r\n');
    expect(csvLine([1.5, 1000], { separator: ';', decimal: ',' })).toBe('1,5;1000\r\n');
  });
});

describe('the shift of a moment', () => {
  const shifts = ['06:00-14:00', '14:00-22:00', '22:00-06:00'];
  /** Local time of this machine, whatever its zone. */
  const local = (text: string): string => new Date(text).toISOString();

  test('none, where there are none or the moment is not one', () => {
    expect(shiftOf(local('2026-11-30T10:00'), [])).toBeNull();
    expect(shiftOf('yesterday', shifts)).toBeNull();
    expect(localTime('yesterday')).toBe('');
  });

  test.each([
    ['2026-11-30T06:00', '2026-11-30', 1],
    ['2026-11-30T13:59', '2026-11-30', 1],
    ['2026-11-30T14:00', '2026-11-30', 2],
    ['2026-11-30T23:30', '2026-11-30', 3],
    ['2026-12-01T05:59', '2026-11-30', 3],
    ['2027-01-01T00:00', '2026-12-31', 3],
  ])('%s belongs to shift of %s, number %i', (moment, date, number) => {
    expect(shiftOf(local(moment), shifts)).toEqual({ date, number });
  });

  test('between shifts there is none', () => {
    expect(shiftOf(local('2026-11-30T14:00'), ['06:00-14:00'])).toBeNull();
    expect(shiftOf(local('2026-11-29T10:00'), ['06:00-14:00'])).toEqual({ date: '2026-11-29', number: 1 }); // a Sunday, worked all the same
  });

  test('local time', () => {
    expect(localTime(local('2026-11-30T05:04:03'))).toBe('2026-11-30 05:04:03');
  });
});
