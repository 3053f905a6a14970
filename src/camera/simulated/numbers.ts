/**
 * Numbers that are the same on every machine: only + - * / sqrt and integer operations, whose results IEEE 754 and ECMAScript
 * fix to the last bit. Math.sin, exp and the like are not used: their last bits are the engine's choice.
 */

/** 32 bit mix of two integers (the finaliser constants of MurmurHash3, public domain): the root of all chance here. */
export function mix(a: number, b: number): number {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul((b + 0x7f4a7c15) | 0, 0xc2b2ae35);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  h ^= h >>> 12;
  h = Math.imul(h, 0x297a2d39);
  return (h ^ (h >>> 15)) >>> 0;
}

/** A key from a word and numbers; different lists give unrelated keys. */
export function keyOf(word: string, ...numbers: readonly number[]): number {
  let key = 0x811c9dc5;
  for (let i = 0; i < word.length; i++) key = mix(key, word.charCodeAt(i));
  for (const n of numbers) key = mix(mix(key, Math.floor(n / 4294967296)), n | 0);
  return key;
}

/** A row of draws that depends on nothing but its key: draw n is a hash of (key, n). */
export class Draws {
  private n = 0;
  constructor(private readonly key: number) {}
  bits(): number {
    return mix(this.key, this.n++);
  }
  /** [0, 1) */
  unit(): number {
    return this.bits() / 4294967296;
  }
  range(from: number, to: number): number {
    return from + (to - from) * this.unit();
  }
  /** 0 .. n-1 */
  int(n: number): number {
    return Math.floor(this.unit() * n);
  }
  chance(p: number): boolean {
    return this.unit() < p;
  }
  /** Bell shaped, mean 0, standard deviation 1, within +-3.46 (sum of 12 halves: Irwin-Hall of 4). */
  normal(): number {
    return (this.unit() + this.unit() + this.unit() + this.unit() - 2) * 1.7320508075688772;
  }
  pick<T>(from: readonly [T, ...T[]]): T {
    return from[this.int(from.length)] ?? from[0];
  }
}

/** sin(2 pi t): Taylor to x^11 on a quarter turn, error below 6e-8. */
export function sinTurn(t: number): number {
  let x = t - Math.floor(t); // [0, 1)
  let sign = 1;
  if (x >= 0.5) {
    x -= 0.5;
    sign = -1;
  }
  if (x > 0.25) x = 0.5 - x;
  const r = x * 6.283185307179586;
  const q = r * r;
  return sign * r * (1 + q * (-1 / 6 + q * (1 / 120 + q * (-1 / 5040 + q * (1 / 362880 - q / 39916800)))));
}

export function cosTurn(t: number): number {
  return sinTurn(t + 0.25);
}

export function clamp(x: number, low: number, high: number): number {
  return x < low ? low : x > high ? high : x;
}

/** 0 below `from`, 1 above `to`, smooth between. */
export function smooth(from: number, to: number, x: number): number {
  const t = clamp((x - from) / (to - from), 0, 1);
  return t * t * (3 - 2 * t);
}

/** A bell of compact support: 1 at 0, 0 from 1 on; takes the squared distance. */
export function bell(squared: number): number {
  if (squared >= 1) return 0;
  const t = 1 - squared;
  return t * t * t;
}
