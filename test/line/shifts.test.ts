import { isCovered, lastMoment } from '../../src/line/shifts';

const at = (text: string) => new Date(`2026-03-11T${text}:00`); // local time, as the shifts are

test('without shifts, or without a moment, nothing is ever due', () => {
  expect(lastMoment([], ['start'], at('12:00'))).toBeNull();
  expect(lastMoment(['06:00-14:00'], [], at('12:00'))).toBeNull();
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
  expect(lastMoment(['06:00-14:00'], ['start', 'middle', 'end'], at(now))).toEqual(new Date(due));
});

test('a shift over midnight: its middle and end are on the next day', () => {
  const night = ['22:00-06:00'];
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
