import { Code } from '../codes';
import { InspectionError, reason, VerdictdError } from '../errors';
import { WorkerError } from '../threads';

export function tooLate(): InspectionError {
  return new InspectionError(Code.tooLate, 'no findings by the deadline; compare processing time with plc.ttl.');
}

/** Refusals that keep their code on the way from the worker; every other error of its is a failed inference. */
const kept = ['BUNDLE_REFUSED', 'RECIPE_REFUSED', 'PROVIDER_UNAVAILABLE', 'NATIVE_MISSING'] as const;

export function translated(thrown: unknown): Error {
  const code = thrown instanceof WorkerError ? kept.find((one) => one === thrown.code) : undefined;
  if (code !== undefined) return new VerdictdError(code, reason(thrown), { cause: thrown });
  return new InspectionError(Code.notANumber, reason(thrown), { cause: thrown });
}

export function stopped(): VerdictdError {
  return new VerdictdError('ABORTED', 'the inference engine was stopped');
}
