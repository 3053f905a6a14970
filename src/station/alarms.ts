import { Code } from '../codes';
import type { VerdictdError } from '../errors';
import type { Facts } from '../line/states';

/** What keeps a station from judging without being a reason to end: it waits, and its state says why. */
export const obstacles: Partial<Record<VerdictdError['code'], Code>> = {
  RECIPE_MISSING: Code.noRecipe,
  RECIPE_REFUSED: Code.noRecipe,
  TEACH_REFUSED: Code.noRecipe,
  BUNDLE_MISSING: Code.bundleRefused,
  BUNDLE_REFUSED: Code.bundleRefused,
  PROVIDER_UNAVAILABLE: Code.providerLost,
};

/** What a command that failed is answered with. */
export function codeOf(error: VerdictdError): Exclude<Code, 0> {
  const code = obstacles[error.code] ?? (error.code === 'LOG_UNAVAILABLE' ? Code.logUnavailable : Code.notReady);
  return code === Code.ok ? Code.notReady : code;
}

/** Alarms that a fact sets and clears (contract, fault table). 501 has steps of its own: see disk.ts. */
export function alarmsOf(facts: Facts): [Code, boolean][] {
  return [
    [Code.cameraLost, facts.cameraLost],
    [Code.logUnavailable, facts.logLost],
    [Code.plcSilent, facts.plcSilent],
    // Also where recipe.acceptProvisional lets parts pass on it: somebody should know, as long as it does.
    [Code.notCalibrated, facts.provisional],
    [Code.masterDue, facts.masterDue],
    [Code.mismatch, facts.mismatch],
    [Code.foreignRig, facts.foreignRig],
    [Code.selfTest, facts.selfTestFailed || facts.noJob === Code.selfTest],
    ...Object.values(obstacles).map((code): [Code, boolean] => [code, facts.noJob === code]),
  ];
}
