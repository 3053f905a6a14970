// The fake camera library's surroundings, for a process that loads it: it reads the real environment, once.
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const script = ['sensor-width = 256', 'sensor-height = 128', 'stride-padding = 64', 'init-ms = 2', 'begin-ms = 1', 'command-ms = 1'];

// One process may run several test files, one after the other, and the library keeps what it was started with (but for its
// `reset`): so the folder is the process's, made once.
let dir;
function folder() {
  if (dir !== undefined) return dir;
  dir = mkdtempSync(join(tmpdir(), 'verdictd-fake-'));
  writeFileSync(join(dir, 'script'), `${script.join('\n')}\n`);
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Sets the environment; returns what tests know of the library as the global `fakeSpinnaker`. */
exports.enter = () => {
  process.env.VERDICTD_FAKE_SPINNAKER = join(folder(), 'script');
  process.env.VERDICTD_FAKE_SPINNAKER_CONTROL = join(folder(), 'control');
  return { control: process.env.VERDICTD_FAKE_SPINNAKER_CONTROL, script };
};

/** Every later test file of this process, and each process it starts, would have them too: two libraries on one socket. */
exports.leave = () => {
  delete process.env.VERDICTD_FAKE_SPINNAKER;
  delete process.env.VERDICTD_FAKE_SPINNAKER_CONTROL;
};
