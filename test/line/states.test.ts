import { Code } from '../../src/codes';
import { type Facts, stateOf } from '../../src/line/states';

const fine: Facts = {
  started: true,
  stopping: false,
  noJob: Code.ok,
  selfTestFailed: false,
  provisional: false,
  cameraLost: false,
  cameraEnded: false,
  diskLow: false,
  logLost: false,
  brokerHold: false,
  plcSilent: false,
  freeRun: false,
  halted: false,
  masterDue: false,
  mismatch: false,
  foreignRig: false,
  execution: '',
};

test.each([
  ['before the self-test', { started: false }, 'Preoperational', 202],
  ['no recipe', { noJob: Code.noRecipe }, 'Preoperational', 601],
  ['bundle refused', { noJob: Code.bundleRefused }, 'Preoperational', 604],
  ['self-test failed', { selfTestFailed: true }, 'Preoperational', 404],
  ['self-test failed, while the line is emptied for another recipe', { selfTestFailed: true, noJob: Code.notReady }, 'Preoperational', 404],
  ['camera lost', { cameraLost: true }, 'Error', 301],
  ['disk low', { diskLow: true }, 'Error', 501],
  ['log lost', { logLost: true }, 'Error', 502],
  ['log lost and camera lost', { logLost: true, cameraLost: true }, 'Error', 502],
  ['broker away, policy hold', { brokerHold: true }, 'Halted', 202],
  ['files at their end', { cameraEnded: true }, 'Halted', 301],
  ['PLC silent', { plcSilent: true }, 'Halted', 703],
  ['stopping', { stopping: true }, 'Halted', 202],
  ['halted by command', { halted: true }, 'Halted', 202],
  ['announcements and exposures have parted', { mismatch: true }, 'Halted', 206],
  ['another rig under this name', { foreignRig: true, halted: true }, 'Error', 702],
  ['a single job', { execution: 'SingleExecution' }, 'Operational', 202],
  ['free run', { freeRun: true }, 'Operational', 202],
] as const)('%s: not ready, with a reason', (_name, over, state, code) => {
  expect(stateOf({ ...fine, ...over })).toMatchObject({ state, ready: 0, code });
});

test('ready only when every fact is fine', () => {
  expect(stateOf(fine)).toEqual({ state: 'Operational', sub: 'Ready', ready: 1, code: 0 });
});

test('no combination of facts is ready with a code, or not ready without one', () => {
  const flags = ['started', 'stopping', 'cameraLost', 'cameraEnded', 'diskLow', 'logLost', 'brokerHold', 'plcSilent', 'freeRun'] as const;
  for (let bits = 0; bits < 2 ** (flags.length + 1); bits++) {
    const facts = { ...fine, noJob: bits >> flags.length ? Code.noRecipe : Code.ok };
    flags.forEach((flag, i) => {
      facts[flag] = ((bits >> i) & 1) === 1;
    });
    const { ready, code } = stateOf(facts);
    expect(ready === 1).toBe(code === Code.ok);
  }
});
