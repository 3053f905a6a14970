// For tests over the fake camera library inside this process: a test's realm does not reach the real environment, which the library
// reads. Control goes over the socket named by the global `fakeSpinnaker`.
const Base = require('./environment.cjs');
const { enter, leave } = require('./fake_world.cjs');

module.exports = class extends Base {
  async setup() {
    await super.setup();
    this.global.fakeSpinnaker = enter();
  }
  async teardown() {
    await super.teardown();
    leave();
  }
};
