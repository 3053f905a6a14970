// The simulated PLC as a process of its own, so that it can be stopped and killed: node simulated_plc.cjs '{"url":...}'. It reports in lines of
// JSON, with moments of the machine's monotonic clock, which all processes share.
const { join } = require('node:path');
const dist = join(__dirname, '../../../dist');
const { systemClock, monotonicMs } = require(join(dist, 'clock.js'));
const { SimulatedPlc } = require(join(dist, 'plc/simulator.js'));

const look = 5; // ms between looks at whether a gate could open

// What it read last is the moment of a decision, however long this process is stopped before it can say so.
let read = 0;
const clock = {
  ...systemClock,
  now: () => {
    read = monotonicMs();
    return read;
  },
};
const say = (what, at = monotonicMs()) => process.stdout.write(`${JSON.stringify({ ...what, at })}\n`);
const plc = new SimulatedPlc(JSON.parse(process.argv[2]), clock, {
  decided: (decision, { partId, waited }) => say({ decision: decision.gate, ...decision, partId, waited }, read),
  wrong: (why) => say({ wrong: why }),
  gate: (part, open) => say({ atGate: part, open }),
});
let could = null;
setInterval(() => {
  // Whether the accepting rule's heartbeat condition holds: without it no gate opens, whatever else comes.
  const can = plc.acceptance.alive(systemClock.now());
  if (can === could) return;
  could = can;
  say({ state: can ? 'live' : 'reject' });
}, look);
process.once('SIGTERM', () => {
  void plc.stop().then(() => {
    say({ counts: plc.counts });
    process.stdout.write('', () => process.exit(0));
  });
});
plc.start();
