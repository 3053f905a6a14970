/** Agreement of two judges on good and bad, beyond what chance gives (Cohen 1960). Pure. */
export interface Agreement {
  bothGood: number;
  bothBad: number;
  onlyFirstBad: number;
  onlySecondBad: number;
}

/** -1..1; above 0.75 is usually called good, below 0.40 poor. Null where no part was judged or both judges only ever say one word. */
export function kappa({ bothGood, bothBad, onlyFirstBad, onlySecondBad }: Agreement): number | null {
  const total = bothGood + bothBad + onlyFirstBad + onlySecondBad;
  if (total === 0) return null;
  const observed = (bothGood + bothBad) / total;
  const firstBad = (bothBad + onlyFirstBad) / total;
  const secondBad = (bothBad + onlySecondBad) / total;
  const chance = firstBad * secondBad + (1 - firstBad) * (1 - secondBad);
  return chance >= 1 ? null : (observed - chance) / (1 - chance);
}
