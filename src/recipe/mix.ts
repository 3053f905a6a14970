/**
 * The model's zero-shot opinion beside the bank's, on one scale. The model gives a logit l (of "anomalous" against "normal"); its odds are
 * e^l up to even and 1 + l beyond, so that a model that is sure does not drown the bank. Their logarithm is centred on the shots' median
 * and brought to the deviation that the bank's leave-one-out scores have: zero-shot score z = exp(power * (ln odds - centre)), which is 1
 * for the median shot as the bank's is. Mixed score = (1 - weight) * bank + weight * z, and the map likewise, so region rules see it too.
 * z is positive and grows with l; with the weight 0 nothing of it is in the graph.
 */
import type { Graph, Value } from '../onnx/graph';
import { add, exp, log, mul, neg, relu, sub } from '../onnx/ops';
import { median } from './calibrate';

export interface Mix {
  output: string; // of the model: float32 [1], the logit
  weight: number; // above 0 and at most 1
  power: number;
  centre: number;
}

/** Deviations before any shot was seen, and how many shots that belief is worth: few shots say little about a deviation (as limit.ts). */
const prior = { bank: 0.1, zeroShot: 1, worth: 4 };

/** `logits` and the bank's `leaveOneOut` scores (> 0) of the same shots. Null where a logit gives no scale. */
export function learnMix(output: string, weight: number, logits: readonly number[], leaveOneOut: readonly number[]): Mix | null {
  const odds = logits.map(logOdds);
  const centre = median(odds);
  const power = Math.min(1, deviation(leaveOneOut.map(Math.log), prior.bank) / deviation(odds, prior.zeroShot));
  return Number.isFinite(centre) && power > 0 ? { output, weight, power, centre } : null;
}

/** Natural logarithm of the odds, bounded above as said. */
function logOdds(logit: number): number {
  return logit <= 0 ? logit : Math.log1p(logit);
}

function deviation(logs: readonly number[], believed: number): number {
  const mean = logs.reduce((sum, x) => sum + x, 0) / logs.length;
  const squares = logs.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  return Math.sqrt((prior.worth * believed ** 2 + squares) / (prior.worth + logs.length - 1));
}

/** A bank's score and a logit as one. */
export function mixed(score: number, logit: number, { weight, power, centre }: Mix): number {
  return (1 - weight) * score + weight * Math.exp(power * (logOdds(logit) - centre));
}

/** The same in a graph: a function of bank scores of any shape, with the logit as a further input. */
export function mixIn(graph: Graph, { output, weight, power, centre }: Mix): (score: Value) => Value {
  const logit = graph.input(output, 'float32', [1]);
  // ln odds = ln(1 + max(l, 0)) - max(-l, 0)
  const odds = sub(log(add(relu(logit), 1)), relu(neg(logit)));
  const zeroShot = mul(exp(mul(sub(odds, centre), power)), weight);
  return (score) => add(mul(score, 1 - weight), zeroShot);
}
