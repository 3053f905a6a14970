// verdictd's embedded broker alone: aedes.cjs PORT
const { join } = require('node:path');
const { EmbeddedBroker } = require(join(__dirname, '../../../dist/plc/broker.js'));
const { systemClock } = require(join(__dirname, '../../../dist/clock.js'));
const { createDiagnostics } = require(join(__dirname, '../../../dist/diagnostics.js'));

const broker = new EmbeddedBroker({ host: '127.0.0.1', port: Number(process.argv[2]) }, systemClock, createDiagnostics('warn'));
process.once('SIGTERM', () => void broker.stop(systemClock.now() + 2000).then(() => process.exit(0)));
// Its thread holds the process: both ends are said.
broker.start(new AbortController().signal).catch((thrown) => {
  console.error(thrown.message);
  process.exit(1);
});
setInterval(() => undefined, 1 << 30);
