import { Code } from '../codes';
import type { StateName, StationState, SubState } from '../ports';

/** What the station knows about itself; each fact is kept by the room that can tell. */
export interface Facts {
  /** Self-test passed: provider proven on the golden image, log open, first start complete. */
  started: boolean;
  stopping: boolean;
  /** 0, or why there is nothing to judge with: 601 no recipe, 604 bundle refused, 401 no provider, 404 self-test failed. */
  noJob: Code;
  cameraLost: boolean;
  /** The files camera has shown its last picture. */
  cameraEnded: boolean;
  /** Less free space than configured in the data directory. */
  diskLow: boolean;
  logLost: boolean;
  /** The broker is away and the policy is `hold`. */
  brokerHold: boolean;
  /** A PLC that used to send its heartbeat has stopped (contract, `plc/heartbeat`). */
  plcSilent: boolean;
  freeRun: boolean;
}

/**
 * The station's state by its facts (OPC 40100-1 names). Error wins over Halted, Halted over Operational; the code says why.
 * Pure: the same facts always give the same state.
 */
export function stateOf(facts: Facts): Pick<StationState, 'state' | 'sub' | 'ready' | 'code'> {
  const not = (state: StateName, code: Code) => ({ state, sub: '' as SubState, ready: 0 as const, code });
  if (facts.stopping) return not('Halted', Code.notReady);
  if (facts.logLost) return not('Error', Code.logUnavailable);
  if (facts.diskLow) return not('Error', Code.diskLow);
  if (facts.noJob !== Code.ok) return not('Preoperational', facts.noJob);
  if (!facts.started) return not('Preoperational', Code.notReady);
  if (facts.cameraLost) return not('Error', Code.cameraLost);
  if (facts.cameraEnded) return not('Halted', Code.cameraLost);
  if (facts.brokerHold) return not('Halted', Code.notReady);
  if (facts.plcSilent) return not('Halted', Code.plcSilent);
  return facts.freeRun
    ? { state: 'Operational', sub: 'ContinuousExecution', ready: 0, code: Code.notReady } // free run: triggers get ack 0, 202
    : { state: 'Operational', sub: 'Ready', ready: 1, code: Code.ok };
}
