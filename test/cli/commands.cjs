// The program with commands that misbehave or take long, to see what the frame around every command does.
const { setTimeout: sleep } = require('node:timers/promises');
const { join } = require('node:path');
const { main } = require(join(__dirname, '../../dist/cli/main.js'));
const { VerdictdError } = require(join(__dirname, '../../dist/errors.js'));

const forever = () => new Promise(() => setInterval(() => undefined, 1000));

function register(program, context) {
  const command = (name, action) => program.command(name).description(name).action(action);
  // Ends in order when told to.
  command('wait', async () => {
    context.io.err('working');
    await sleep(60_000, undefined, { signal: context.signal });
  });
  // Ends well when told to, as a daemon does.
  command('serve', async () => {
    context.io.err('working');
    await sleep(60_000, undefined, { signal: context.signal }).catch(() => undefined);
    context.io.out('stopped');
  });
  command('deaf', async () => {
    context.signal.addEventListener('abort', () => context.io.err('told'));
    context.io.err('working');
    await forever();
  });
  command('lingering', async () => {
    void forever();
    context.io.out('done');
  });
  command('crash', async () => {
    throw new TypeError('x is not a function');
  });
  command('stray', async () => {
    void Promise.reject(new Error('nobody caught this'));
    await forever();
  });
  command('refused', async () => {
    throw new VerdictdError('CAMERA_FAILED', 'the camera is gone. Check the cable', { details: ['first', 'second'] });
  });
  command('worker', async () => {
    throw Object.assign(new Error('the disk is full'), { code: 'LOG_UNAVAILABLE' });
  });
  command('found', async () => {
    context.io.out('something');
    context.exitCode = 1;
  });
  command('done', async () => context.io.out('done'));
  command('say', async () => {
    for (let i = 0; i < 3; i++) context.diagnostics().warn('said');
    context.io.err('said');
    context.io.out('worked on');
  });
  command('dir', async () => context.io.out(context.makeDataDir()));
  command('flood', async () => {
    for (let i = 0; !context.signal.aborted; i++) {
      context.io.out(`line ${i}`);
      if (i % 1000 === 0) await sleep(1);
    }
    throw context.signal.reason;
  });
  command('daemon', async () => {
    context.io.outliveStdout();
    for (let i = 0; i < 20_000; i++) {
      context.io.out(`line ${i}`);
      if (i % 1000 === 0) await sleep(1);
    }
    context.io.err('worked on');
  });
}

main(process.argv.slice(2), [register]);
