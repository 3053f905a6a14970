import { isCovered, lastMoment } from '../../src/line/shifts';
import { type Rota, shiftAt, weekdays } from '../../src/shifts';

const rota = (...shifts: string[]): Rota => ({ shifts, workdays: weekdays });
const at = (text: string) => new Date(`2026-03-11T${text}:00`); // local time, as the shifts are

test('without shifts, or without a moment, nothing is ever due', () => {
  expect(lastMoment(rota(), ['start'], at('12:00'))).toBeNull();
  expect(lastMoment(rota('06:00-14:00'), [], at('12:00'))).toBeNull();
  expect(isCovered(null, null, 0)).toBe(true);
});

test.each([
  ['05:59', '2026-03-10T14:00:00'], // the end of yesterday's
  ['06:00', '2026-03-11T06:00:00'],
  ['09:59', '2026-03-11T06:00:00'],
  ['10:00', '2026-03-11T10:00:00'],
  ['14:00', '2026-03-11T14:00:00'],
  ['23:00', '2026-03-11T14:00:00'],
])('one shift, start, middle and end: at %s the last was %s', (now, due) => {
  expect(lastMoment(rota('06:00-14:00'), ['start', 'middle', 'end'], at(now))).toEqual(new Date(due));
});

test('a shift over midnight: its middle and end are on the next day', () => {
  const night = rota('22:00-06:00');
  expect(lastMoment(night, ['middle'], at('01:59'))).toEqual(new Date('2026-03-10T02:00:00'));
  expect(lastMoment(night, ['middle'], at('02:00'))).toEqual(new Date('2026-03-11T02:00:00'));
  expect(lastMoment(night, ['start'], at('21:00'))).toEqual(new Date('2026-03-10T22:00:00'));
  expect(lastMoment(night, ['end'], at('07:00'))).toEqual(new Date('2026-03-11T06:00:00'));
});

test('a check covers what falls due within `early` minutes after it, and nothing later', () => {
  const due = at('06:00');
  expect(isCovered(null, due, 60)).toBe(false);
  expect(isCovered(at('05:29'), due, 30)).toBe(false);
  expect(isCovered(at('05:30'), due, 30)).toBe(true);
  expect(isCovered(at('06:30'), due, 0)).toBe(true);
});

describe('days off', () => {
  const working: Rota = { shifts: ['06:00-14:00', '22:00-06:00'], workdays: ['mon', 'tue', 'wed', 'thu', 'fri'] };
  const on = (text: string) => shiftAt(working, new Date(text))?.number ?? null;

  test('a shift belongs to the day on which it begins', () => {
    expect(on('2026-03-13T13:59')).toBe(1); // a Friday
    expect(on('2026-03-13T14:00')).toBeNull();
    expect(on('2026-03-14T05:59')).toBe(2); // the night from Friday
    expect(on('2026-03-14T06:00')).toBeNull();
    expect(on('2026-03-15T23:00')).toBeNull();
    expect(on('2026-03-16T02:00')).toBeNull(); // no night from Sunday
    expect(on('2026-03-16T06:00')).toBe(1);
  });

  test('nothing falls due on them: on Sunday the last check was that of Friday night', () => {
    expect(lastMoment(working, ['start', 'end'], new Date('2026-03-15T12:00'))).toEqual(new Date('2026-03-14T06:00'));
    expect(lastMoment({ ...working, workdays: ['mon'] }, ['start'], new Date('2026-03-15T23:59'))).toEqual(new Date('2026-03-09T22:00'));
  });
});
