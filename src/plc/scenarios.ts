/**
 * What can go wrong between a station and its PLC, played on purpose by the simulated PLC: it spoils what the PLC sees, never what
 * the station says. Whatever is played, the gate may open less often, and for no wrong part.
 */
import type { Ms } from '../ports';
import type { Rule } from './acceptance';

/** A scenario at work. What it leaves out goes well. */
export interface Scenario {
  /** A message came at monotonic time `now`: when the PLC gets it, in ms from now, as often as there are numbers. */
  message?(now: Ms): Ms[];
  /** How often the sensor reports part `part` (1, 2, ...) to the PLC: 0 missing, 2 bouncing. */
  edges?(part: number): number;
  /** The PLC's program starts again before this part: cold, or with numbers of an older day. */
  restart?(part: number): 'cold' | 'old' | null;
  /** How often each trigger is published. */
  copies?: number;
}

/** `random`: uniform numbers 0 <= x < 1. */
type Make = (rule: Pick<Rule, 'tAck' | 'tResult'>, random: () => number) => Scenario;

interface Row {
  meaning: string;
  /** So many simulated PLCs on the same topics. */
  plcs?: number;
  make: Make;
}

const every = (n: number, part: number) => part % n === 0;

export const scenarios = {
  normal: { meaning: 'nothing goes wrong', make: () => ({}) },
  'cold-start': {
    meaning: 'the PLC restarts before every 5th part and has forgotten its numbers',
    make: () => ({ restart: (part) => (every(5, part) ? 'cold' : null) }),
  },
  'lost-seq': {
    meaning: 'before part 4, 14, ... the PLC falls back to numbers already used (refused, 203); before part 9, 19, ... it starts cold',
    make: () => ({ restart: (part) => (part % 10 === 4 ? 'old' : part % 10 === 9 ? 'cold' : null) }),
  },
  'two-plcs': { meaning: 'two PLCs trigger on the same topics, which the broker should forbid', plcs: 2, make: () => ({}) },
  bounce: {
    meaning: 'the sensor bounces at every 3rd part: two triggers for it',
    make: () => ({ edges: (part) => (every(3, part) ? 2 : 1) }),
  },
  'missing-edge': {
    meaning: 'the sensor misses every 3rd part: no trigger for it',
    make: () => ({ edges: (part) => (every(3, part) ? 0 : 1) }),
  },
  delayed: {
    meaning: 'every 3rd message or so comes up to 2 x T_result late',
    make: ({ tResult }, random) => ({ message: () => [random() < 1 / 3 ? random() * 2 * tResult : 0] }),
  },
  reordered: {
    meaning: 'messages overtake each other, by up to T_ack',
    make: ({ tAck }, random) => ({ message: () => [random() * tAck] }),
  },
  duplicated: {
    meaning: 'every message comes twice, the second up to 2 x T_result late; every trigger is sent twice',
    make: ({ tResult }, random) => ({ copies: 2, message: () => [0, random() * 2 * tResult] }),
  },
  buffered: {
    meaning: 'for T_result of every 2 x T_result messages are held back, then come at once',
    make: ({ tResult }) => {
      let first: Ms | null = null;
      return {
        message: (now) => {
          first ??= now;
          const left = 2 * tResult - ((now - first) % (2 * tResult));
          return [left <= tResult ? left : 0];
        },
      };
    },
  },
} as const satisfies Record<string, Row>;

export type ScenarioName = keyof typeof scenarios;

/** How many PLCs play it. */
export function plcsOf(name: ScenarioName): number {
  const row: Row = scenarios[name];
  return row.plcs ?? 1;
}
