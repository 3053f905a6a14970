import { Code } from '../codes';
import type { StateName, StationState, SubState } from '../ports';

/** What the station knows about itself; each fact is kept by the room that can tell. */
export interface Facts {
  /** Self-test passed: provider proven on the golden image, log open, first start complete. */
  started: boolean;
  stopping: boolean;
  /** 0, or why there is nothing to judge with: 601 no recipe, 604 bundle refused, 401 no provider, 404 safe mode, 202 not now. */
  noJob: Code;
  /** The golden picture scored other than before. Set and cleared by the canary alone: no recipe and no lesson mends a model. */
  selfTestFailed: boolean;
  /** The limit in force is supported by too few good parts. */
  provisional: boolean;
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
  /** Command 6. */
  halted: boolean;
  /** A check with master parts must pass before anything else does. */
  masterDue: boolean;
  /** Announcements and exposures have parted; command 7 ends it. */
  mismatch: boolean;
  /** Another rig lives under this station's name. */
  foreignRig: boolean;
  /** Parts that a command asked for, without triggers (commands 4 and 5). */
  execution: '' | 'SingleExecution' | 'ContinuousExecution';
}

/** Before anything is known. */
export function firstFacts(freeRun: boolean): Facts {
  const nothing = {
    provisional: false,
    cameraLost: false,
    cameraEnded: false,
    diskLow: false,
    logLost: false,
    brokerHold: false,
    plcSilent: false,
  };
  return {
    started: false,
    stopping: false,
    noJob: Code.ok,
    selfTestFailed: false,
    ...nothing,
    freeRun,
    halted: false,
    masterDue: false,
    mismatch: false,
    foreignRig: false,
    execution: '',
  };
}

/**
 * The station's state by its facts (OPC 40100-1 names). Error wins over Halted, Halted over Operational; the code says why.
 * Pure: the same facts always give the same state.
 */
export function stateOf(facts: Facts): Pick<StationState, 'state' | 'sub' | 'ready' | 'code'> {
  const not = (state: StateName, code: Code) => ({ state, sub: '' as SubState, ready: 0 as const, code });
  if (facts.stopping) return not('Halted', Code.notReady);
  if (facts.foreignRig) return not('Error', Code.foreignRig);
  if (facts.logLost) return not('Error', Code.logUnavailable);
  if (facts.diskLow) return not('Error', Code.diskLow);
  if (facts.selfTestFailed) return not('Preoperational', Code.selfTest);
  if (facts.noJob !== Code.ok) return not('Preoperational', facts.noJob);
  if (!facts.started) return not('Preoperational', Code.notReady);
  if (facts.cameraLost) return not('Error', Code.cameraLost);
  if (facts.cameraEnded) return not('Halted', Code.cameraLost);
  if (facts.brokerHold) return not('Halted', Code.notReady);
  if (facts.plcSilent) return not('Halted', Code.plcSilent);
  if (facts.halted) return not('Halted', Code.notReady);
  if (facts.masterDue) return not('Halted', Code.masterDue);
  if (facts.mismatch) return not('Halted', Code.mismatch);
  if (facts.execution !== '') return { state: 'Operational', sub: facts.execution, ready: 0, code: Code.notReady };
  return facts.freeRun
    ? { state: 'Operational', sub: 'ContinuousExecution', ready: 0, code: Code.notReady } // free run: triggers get ack 0, 202
    : { state: 'Operational', sub: 'Ready', ready: 1, code: Code.ok };
}
