// Runs one compiled test file in this very process, without jest's realms, transforms and workers: under a sanitizer, an emulator or
// a checker of memory, what runs should be the tests and little else. node run.cjs FILE.test.js [--slow FACTOR]
// The last line is "N passed, N failed, N skipped"; the exit code is 1 if one failed.
const { readFileSync } = require('node:fs');
const circus = require('jest-circus');
const { jestExpect } = require('@jest/expect');

const [file, , slow = '1'] = process.argv.slice(2);
const timeout = 30_000; // jest.config.js
// For the limits that tests set their own processes.
process.env.VERDICTD_PROOF_SLOW = slow;

// Under an emulator a child has to be started through it: tests start `process.execPath`.
if (process.env.VERDICTD_PROOF_NODE !== undefined) process.execPath = process.env.VERDICTD_PROOF_NODE;

for (const name of ['describe', 'test', 'it', 'beforeAll', 'beforeEach', 'afterAll', 'afterEach']) globalThis[name] = circus[name];
globalThis.expect = jestExpect;

const environment = /@jest-environment \S*\/(\w+)\.cjs/.exec(readFileSync(file, 'utf8'))?.[1];
if (environment === 'fake_spinnaker') {
  globalThis.fakeSpinnaker = require('../support/fake_world.cjs').enter();
} else if (environment !== undefined) {
  throw new Error(`${file} wants the environment ${environment}, which this runner does not know`);
}

function* testsOf(block) {
  for (const child of block.children) {
    if (child.type === 'test') yield child;
    else yield* testsOf(child);
  }
}

circus.addEventHandler((event) => {
  // A file that fails may leave a thread or a socket behind that would keep the process: its say is said, so end.
  if (event.name === 'test_fn_failure') process.exitCode = 1;
});

async function main() {
  circus.getState().testTimeout = timeout;
  require(file);
  for (const test of testsOf(circus.getState().rootDescribeBlock)) test.timeout = (test.timeout ?? timeout) * Number(slow);
  const { testResults, unhandledErrors } = await circus.run();
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const { status, testPath, errors } of testResults) {
    const outcome = status === 'done' ? (errors.length === 0 ? 'passed' : 'failed') : 'skipped';
    count[outcome]++;
    if (outcome === 'failed') console.log(`FAILED ${testPath.slice(1).join(' > ')}\n${errors.join('\n')}`);
  }
  for (const error of unhandledErrors) {
    count.failed++;
    console.log(`FAILED outside of a test\n${error}`);
  }
  console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
  process.exitCode = count.failed === 0 && count.passed > 0 ? 0 : 1;
}
main().catch((error) => {
  console.log(error);
  process.exitCode = 1;
});
