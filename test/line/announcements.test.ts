import { Announcements } from '../../src/line/announcements';

const lead = { leadMin: 20, leadMax: 1000, arrival: 1300 };

/** Announced at 10 000; frames are numbered from 0. */
function announced(): Announcements {
  const pairing = new Announcements(lead);
  expect(pairing.announce(10_000)).toBe('accepted');
  return pairing;
}

describe('what is no pair', () => {
  const cases: [string, (pairing: Announcements) => string | null, RegExp][] = [
    ['an exposure too early', (p) => reasonOf(p.frame(0, 10_019.9)), /19\.9 ms after/],
    ['an exposure before its announcement', (p) => reasonOf(p.frame(0, 9_990)), /-10\.0 ms after/],
    ['an exposure too late', (p) => reasonOf(p.frame(0, 11_000.1)), /1000\.1 ms after/],
    [
      'a second exposure',
      (p) => {
        p.frame(0, 10_100);
        return reasonOf(p.frame(1, 10_105));
      },
      /nobody announced/,
    ],
    ['a second announcement', (p) => (p.announce(10_050) === 'mismatch' ? p.blocked : null), /second announcement/],
    ['no exposure at all', (p) => p.expire(12_301), /no exposure/],
    [
      'a gap in the numbers',
      (p) => {
        p.frame(0, 10_100);
        p.announce(10_200);
        return reasonOf(p.frame(2, 10_300));
      },
      /gap: 1 .* between 0 and 2/,
    ],
    [
      'numbers that go back',
      (p) => {
        p.frame(7, 10_100);
        p.announce(10_200);
        return reasonOf(p.frame(7, 10_300));
      },
      /7 came after 7/,
    ],
    [
      'a fault that nobody announced',
      (p) => {
        p.frame(0, 10_100);
        return reasonOf(p.fault(10_105));
      },
      /nobody announced/,
    ],
    ['a missed trigger', (p) => p.mismatch('1 trigger missed'), /1 trigger missed/],
    ['a time that is none', (p) => reasonOf(p.frame(0, Number.NaN)), /NaN/],
  ];
  test.each(cases)('%s', (_, does, says) => {
    const pairing = announced();
    expect(does(pairing)).toMatch(says);
    // From here on nothing is paired until reset.
    expect(pairing.blocked).toMatch(says);
    expect(pairing.announce(20_000)).toBe('blocked');
    expect(pairing.frame(50, 20_100)).toEqual({ kind: 'stray' });
    expect(pairing.fault(20_100)).toEqual({ kind: 'stray' });
    pairing.reset();
    expect(pairing.blocked).toBeNull();
    expect(pairing.announce(30_000)).toBe('accepted');
    expect(pairing.frame(51, 30_100)).toEqual({ kind: 'match' });
  });

  test('a frame that was lost before the reset is no gap after it; one lost after it is', () => {
    const pairing = new Announcements(lead);
    pairing.announce(0);
    expect(pairing.frame(7, 100).kind).toBe('match');
    pairing.mismatch('frame 8 never came');
    pairing.reset();
    pairing.announce(10_000);
    expect(pairing.frame(9, 10_100).kind).toBe('match');
    pairing.announce(20_000);
    expect(reasonOf(pairing.frame(11, 20_100))).toMatch(/a gap: 1 frames/);
  });

  test('an exposure without any announcement', () => {
    const pairing = new Announcements(lead);
    expect(reasonOf(pairing.frame(0, 5))).toMatch(/nobody announced/);
  });

  test('an exposure that two parts may be meant by, one refused and never seen', () => {
    const pairing = new Announcements(lead);
    pairing.refused(10_000);
    expect(pairing.announce(10_300)).toBe('accepted');
    expect(reasonOf(pairing.frame(0, 10_400))).toMatch(/two announcements/);
  });

  test('an announcement while a refused one waits is no second one, but one while an accepted one waits is, refused or not', () => {
    const pairing = announced();
    expect(pairing.refused(10_050)).toMatch(/second announcement/);
    expect(pairing.blocked).toMatch(/second announcement/);
  });
});

describe('a pair', () => {
  test.each([10_020, 10_500, 11_000])('exposed at %d', (at) => {
    const pairing = announced();
    expect(pairing.open).toBe(true);
    expect(pairing.frame(0, at)).toEqual({ kind: 'match' });
    expect(pairing.open).toBe(false);
    expect(pairing.expire(99_000)).toBeNull();
  });

  test('a frame that came spoiled is the exposure of its part; the number it used is no gap', () => {
    const pairing = announced();
    expect(pairing.frame(0, 10_100)).toEqual({ kind: 'match' });
    pairing.announce(10_200);
    expect(pairing.fault(11_500)).toEqual({ kind: 'match' }); // told when it came, up to `arrival` after its exposure
    pairing.announce(11_600);
    expect(pairing.frame(2, 11_700)).toEqual({ kind: 'match' });
  });

  test('a refused part passes the sensor: its exposure is its own, and the next part, announced meanwhile, gets the next one', () => {
    const pairing = new Announcements(lead);
    pairing.refused(10_000);
    expect(pairing.announce(10_200)).toBe('accepted');
    expect(pairing.frame(0, 10_190)).toEqual({ kind: 'passed' });
    expect(pairing.frame(1, 10_260)).toEqual({ kind: 'match' });
  });

  test('a refused part that never comes is forgotten', () => {
    const pairing = new Announcements(lead);
    pairing.refused(10_000);
    pairing.announce(11_050);
    expect(pairing.frame(0, 11_100)).toEqual({ kind: 'match' });
  });

  test('an aborted part passes the sensor as a refused one does', () => {
    const pairing = announced();
    pairing.withdraw();
    expect(pairing.open).toBe(false);
    expect(pairing.frame(0, 10_100)).toEqual({ kind: 'passed' });
  });

  test('numbers begin anew with the stream', () => {
    const pairing = announced();
    expect(pairing.frame(900, 10_100)).toEqual({ kind: 'match' });
    pairing.streamBegins();
    pairing.announce(10_200);
    expect(pairing.frame(0, 10_300)).toEqual({ kind: 'match' });
  });
});

function reasonOf(pair: ReturnType<Announcements['frame']>): string | null {
  return pair.kind === 'mismatch' ? pair.detail : null;
}
