// For tests over the fake camera library inside this process: it reads the real environment, once, which a test's realm does not
// reach. Control goes over the socket named by the global `fakeSpinnaker`.
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const Base = require('./environment.cjs');

const script = ['sensor-width = 256', 'sensor-height = 128', 'stride-padding = 64', 'init-ms = 2', 'begin-ms = 1', 'command-ms = 1'];

// One process runs several of these, one after the other, and the library keeps what it was started with (but for its `reset`):
// so the folder is the process's, made once.
let dir;
function folder() {
  if (dir !== undefined) return dir;
  dir = mkdtempSync(join(tmpdir(), 'verdictd-fake-'));
  writeFileSync(join(dir, 'script'), `${script.join('\n')}\n`);
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

module.exports = class extends Base {
  async setup() {
    await super.setup();
    process.env.VERDICTD_FAKE_SPINNAKER = join(folder(), 'script');
    process.env.VERDICTD_FAKE_SPINNAKER_CONTROL = join(folder(), 'control');
    this.global.fakeSpinnaker = { control: process.env.VERDICTD_FAKE_SPINNAKER_CONTROL, script };
  }
  async teardown() {
    await super.teardown();
    // Every later test file of this process, and each process it starts, would have them too: two libraries on one socket.
    delete process.env.VERDICTD_FAKE_SPINNAKER;
    delete process.env.VERDICTD_FAKE_SPINNAKER_CONTROL;
  }
};
