// Loaded into every thread of a station with `node --require` (no part of verdictd): lets the bench end, break or block one worker
// thread, which no signal can. Each worker listens on a socket in $TORTURE_INSIDE, named after its program and its number (the newest has
// the highest); a line is a command, answered by `ok`.
const { createServer } = require('node:net');
const { basename, dirname, join } = require('node:path');
const { isMainThread, threadId } = require('node:worker_threads');

const folder = process.env.TORTURE_INSIDE;
const block = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms));

/** What the next `n` runs of a model do instead. */
function spoilRuns(n, how) {
  const { InferenceSession } = require('onnxruntime-node');
  const run = InferenceSession.prototype.run;
  let left = Number(n);
  InferenceSession.prototype.run = function (...args) {
    if (left-- <= 0) {
      InferenceSession.prototype.run = run;
      return run.apply(this, args);
    }
    return how(() => run.apply(this, args));
  };
}

const commands = {
  /** The thread ends as by process.exit(). */
  exit: () => setImmediate(() => process.exit(3)),
  /** Nobody catches it. */
  throw: () =>
    setImmediate(() => {
      throw new Error('thrown by the torture bench');
    }),
  /** The thread stands still, as in a native call that does not come back. */
  hang: (ms) => setImmediate(() => block(ms)),
  /** `n` inferences fail. */
  failRuns: (n) => spoilRuns(n, () => Promise.reject(new Error('failed by the torture bench'))),
  /** The next inference takes so long, and its thread with it. */
  hangRun: (ms) =>
    spoilRuns(1, (go) => {
      block(ms);
      return go();
    }),
};

function listen() {
  const file = process.argv[1] ?? '';
  const path = join(folder, `${basename(dirname(file))}-${basename(file, '.js')}-${threadId}`); // inspect-worker-2, store-worker-1, ...
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (line) => {
      const [name, ...args] = line.toString().trim().split(' ');
      const command = commands[name];
      socket.end(command === undefined ? 'no such command\n' : 'ok\n', () => command?.(...args));
    });
  });
  server.listen(path).unref();
}

if (!isMainThread && folder !== undefined) setImmediate(listen); // only then is it known which program the thread runs
